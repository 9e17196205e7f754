/// Cuts text into words as GPT-2's pattern does, by hand over UTF-8 rather than by a regular-expression engine.
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// - Source: Radford et al. 2019; classes of characters as in Hugging Face tokenizers, see ``UnicodeClasses``.
struct GPT2Splitter: Sendable {
  enum Kind: UInt8, Sendable { case other, letter, number, space }

  private let ascii: [Kind]
  /// First scalar of each run of one kind, ascending, and that kind: everything is in some run.
  private let starts: [UInt32]
  private let kinds: [Kind]

  init() {
    var runs: [(first: UInt32, last: UInt32, kind: Kind)] = []
    for (set, kind) in [
      (ScalarSet(category: "L"), Kind.letter), (ScalarSet(category: "N"), .number), (.spaces, .space),
    ] {
      for range in set?.ranges ?? [] { runs.append((range.lowerBound, range.upperBound, kind)) }
    }
    runs.sort { $0.first < $1.first }
    var starts: [UInt32] = [0]
    var kinds: [Kind] = [.other]
    for run in runs {
      if starts.last == run.first {
        kinds[kinds.count - 1] = run.kind
      } else {
        starts.append(run.first)
        kinds.append(run.kind)
      }
      starts.append(run.last + 1)
      kinds.append(.other)
    }
    self.starts = starts
    self.kinds = kinds
    var ascii = [Kind](repeating: .other, count: 128)
    for (start, kind) in zip(starts, kinds) where start < 128 {
      for value in Int(start)..<128 { ascii[value] = kind }
    }
    self.ascii = ascii
  }

  /// Kind of a scalar.
  func kind(_ scalar: UInt32) -> Kind {
    if scalar < 128 { return ascii[Int(scalar)] }
    var (low, high) = (0, starts.count)  // the run is in low..<high
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= scalar { low = middle } else { high = middle }
    }
    return kinds[low]
  }

  /// End of the word that begins at `start`, an offset below `end` at the border of a scalar.
  func endOfWord(in bytes: [UInt8], from start: Int, to end: Int) -> Int {
    if bytes[start] == UInt8(ascii: "'"), let contraction = contraction(bytes, start, end) { return contraction }
    var index = start
    if bytes[index] == UInt8(ascii: " "), index + 1 < end { index += 1 }
    var (kind, length) = scalar(bytes, index)
    if kind != .space {
      let word = kind
      repeat {
        index += length
        guard index < end else { return end }
        (kind, length) = scalar(bytes, index)
      } while kind == word
      return index
    }
    // White space: all of it at the end of the text, else all but the last, which may belong to the next word.
    index = start
    var last = start
    (kind, length) = scalar(bytes, index)
    while kind == .space {
      last = index
      index += length
      guard index < end else { return end }
      (kind, length) = scalar(bytes, index)
    }
    return last > start ? last : index
  }

  private func contraction(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Int? {
    guard start + 1 < end else { return nil }
    switch bytes[start + 1] {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
      return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"):
      return start + 2 < end && bytes[start + 2] == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"):
      return start + 2 < end && bytes[start + 2] == UInt8(ascii: "l") ? start + 3 : nil
    default:
      return nil
    }
  }

  /// Kind and length in bytes of the scalar at an offset of valid UTF-8.
  @inline(__always)
  private func scalar(_ bytes: [UInt8], _ index: Int) -> (Kind, Int) {
    let first = bytes[index]
    if first < 0x80 { return (ascii[Int(first)], 1) }
    let (value, length) = bytes.scalar(at: index)
    return (kind(value), length)
  }
}
