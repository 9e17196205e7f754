/// Memory in one piece, cut into one aligned section a rank.
final class ByteSections: @unchecked Sendable {
  private let memory: UnsafeMutableRawBufferPointer
  private let starts: [Int]
  private let counts: [Int]

  private static let alignment = 64

  /// Sections of the given sizes in bytes.
  init(_ counts: [Int]) {
    self.counts = counts
    var starts: [Int] = []
    var end = 0
    for count in counts {
      starts.append(end)
      end += (count + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    self.starts = starts
    memory = .allocate(byteCount: max(end, 1), alignment: Self.alignment)
  }

  deinit { memory.deallocate() }

  /// The section of a rank. It lives as long as the sections do: hold them behind its last use.
  subscript(_ rank: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: memory[starts[rank]..<starts[rank] + counts[rank]])
  }

  /// All sections, to read from.
  var all: [UnsafeRawBufferPointer] { counts.indices.map { UnsafeRawBufferPointer(self[$0]) } }
  /// All sections, to write to.
  var room: [UnsafeMutableRawBufferPointer] { counts.indices.map { self[$0] } }
}
