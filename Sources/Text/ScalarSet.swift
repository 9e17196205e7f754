/// A set of Unicode scalars, as ranges.
struct ScalarSet: Sendable, Equatable {
  /// Ascending, neither overlapping nor touching.
  private(set) var ranges: [ClosedRange<UInt32>] = []

  private static let last: UInt32 = 0x10FFFF

  /// A set of ranges in any order.
  init(_ ranges: [ClosedRange<UInt32>] = []) {
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let before = self.ranges.last, range.lowerBound <= before.upperBound + 1 {
        self.ranges[self.ranges.count - 1] = before.lowerBound...max(before.upperBound, range.upperBound)
      } else {
        self.ranges.append(range)
      }
    }
  }

  /// One scalar.
  init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }

  /// A table of `UnicodeClasses`: first and last scalar of each range.
  init(table: [UInt32]) {
    ranges = stride(from: 0, to: table.count, by: 2).map { table[$0]...table[$0 + 1] }
  }

  /// White space, `\s`.
  static let spaces = ScalarSet(table: UnicodeClasses.spaces)

  /// The scalars of a general category (`Lu`) or of all that begin with its letter (`L`); `nil` for no such name.
  init?(category name: String) {
    let wanted = UnicodeClasses.names.map { $0 == name || (name.count == 1 && $0.hasPrefix(name)) }
    guard wanted.contains(true) else { return nil }
    let runs = UnicodeClasses.categories
    var ranges: [ClosedRange<UInt32>] = []
    for (index, run) in runs.enumerated() where wanted[Int(run & 0xFF)] {
      ranges.append(run >> 8...(index + 1 < runs.count ? (runs[index + 1] >> 8) - 1 : Self.last))
    }
    self.init(ranges)
  }

  func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  /// Every scalar that is not in the set.
  var inverted: ScalarSet {
    var result = ScalarSet()
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.ranges.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= Self.last { result.ranges.append(next...Self.last) }
    return result
  }

  func contains(_ scalar: UInt32) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].lowerBound <= scalar
  }
}

/// In which of up to 32 sets a scalar is, by two look-ups.
struct ScalarTable: Sendable {
  /// Number of the page that holds 256 neighbours.
  private let pageOf: [UInt16]
  private let pages: [UInt32]
  private let ascii: [UInt32]

  /// Bit `i` of a scalar's mask says whether it is in `sets[i]`.
  init(_ sets: [ScalarSet]) {
    precondition(sets.count <= 32, "ScalarTable: \(sets.count) sets, 32 bits")
    var pageOf: [UInt16] = []
    var pages: [UInt32] = []
    var known: [[UInt32]: UInt16] = [:]
    var next = [Int](repeating: 0, count: sets.count)  // first range of each set that reaches the page
    for first in stride(from: UInt32(0), to: 0x110000, by: 256) {
      var page = [UInt32](repeating: 0, count: 256)
      for (bit, set) in sets.enumerated() {
        var index = next[bit]
        while index < set.ranges.count, set.ranges[index].lowerBound < first + 256 {
          let range = set.ranges[index]
          for scalar in max(range.lowerBound, first)...min(range.upperBound, first + 255) {
            page[Int(scalar - first)] |= 1 << UInt32(bit)
          }
          if range.upperBound >= first + 256 { break }
          index += 1
        }
        next[bit] = index
      }
      if let number = known[page] {
        pageOf.append(number)
      } else {
        known[page] = UInt16(known.count)
        pageOf.append(UInt16(known.count - 1))
        pages += page
      }
    }
    self.pageOf = pageOf
    self.pages = pages
    ascii = Array(pages.prefix(128))  // the first page is number 0
  }

  subscript(scalar: UInt32) -> UInt32 { pages[Int(pageOf[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] }

  /// Mask and length in bytes of the scalar at an offset of valid UTF-8.
  @inline(__always)
  func mask(_ bytes: [UInt8], at index: Int) -> (mask: UInt32, length: Int) {
    let first = bytes[index]
    if first < 0x80 { return (ascii[Int(first)], 1) }
    let (value, length) = bytes.scalar(at: index)
    return (self[value], length)
  }
}
