internal import Tensors

/// Rows that arrived from some ranks, and which experts they are for: BRIM₁ before it is sorted by expert.
struct ReceivedRows: Sendable {
  /// Rank and number of rows of each source, in the order in which their rows lie.
  let sources: [(rank: Int, rows: Int, entries: Int)]
  /// Slots of a row: the most entries that any has.
  let width: Int
  /// Expert of each slot, `[rows, width]`, as the sender numbers those that are reached here; -1 for none.
  let chosen: [Int32]
  /// `[rows, width]`
  let weights: Storage
  /// Slot of each entry, in the order of arrival.
  private let slotOfEntry: [Int32]

  /// All rows.
  var rows: Int { sources.reduce(0) { $0 + $1.rows } }

  /// Reads what came with the rows.
  ///
  /// - Parameters:
  ///   - sources: Ranks whose rows these are.
  ///   - metadata: Their sections.
  init(_ sources: [(rank: Int, rows: Int, entries: Int)], metadata: ByteSections) {
    defer { withExtendedLifetime(metadata) {} }
    self.sources = sources
    var counts: [Int] = []
    for source in sources {
      let section = metadata[source.rank]
      for row in 0..<source.rows { counts.append(Int(section[source.entries * 6 + row])) }
    }
    let width = max(counts.max() ?? 1, 1)
    var chosen = [Int32](repeating: -1, count: counts.count * width)
    var slotOfEntry: [Int32] = []
    slotOfEntry.reserveCapacity(sources.reduce(0) { $0 + $1.entries })
    weights = Storage.zeros(counts.count * width)
    var row = 0
    for source in sources {
      let section = metadata[source.rank]
      var entry = 0
      for _ in 0..<source.rows {
        for place in 0..<counts[row] {
          let slot = row * width + place
          chosen[slot] = Int32(section.loadUnaligned(fromByteOffset: source.entries * 4 + entry * 2, as: UInt16.self))
          weights.floats[slot] = section.loadUnaligned(fromByteOffset: entry * 4, as: Float.self)
          slotOfEntry.append(Int32(slot))
          entry += 1
        }
        row += 1
      }
      precondition(
        entry == source.entries, "ReceivedRows: rank \(source.rank) announced \(source.entries) entries, sent \(entry)")
    }
    (self.width, self.chosen, self.slotOfEntry) = (width, chosen, slotOfEntry)
  }

  /// Writes the weights' gradients of the source in place `index` of `sources`, in the order of its entries.
  func writeWeightGradients(_ gradients: Storage, source index: Int, into section: UnsafeMutableRawBufferPointer) {
    defer { withExtendedLifetime(gradients) {} }
    let first = sources[..<index].reduce(0) { $0 + $1.entries }
    for entry in 0..<sources[index].entries {
      section.storeBytes(
        of: gradients.floats[Int(slotOfEntry[first + entry])], toByteOffset: entry * 4, as: Float.self)
    }
  }
}
