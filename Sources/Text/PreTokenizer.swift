/// Cuts text into words, which merges never cross.
struct PreTokenizer: Sendable {
  /// What becomes of the matches of a pattern.
  enum Behaviour: String, Sendable, CaseIterable {
    /// They are words of their own.
    case isolated = "Isolated"
    /// They are left out.
    case removed = "Removed"
    /// They are put at the end of the word before.
    case mergedWithPrevious = "MergedWithPrevious"
    /// They are put at the beginning of the word behind.
    case mergedWithNext = "MergedWithNext"
    /// Neighbours of one kind, matches or not, are one word.
    case contiguous = "Contiguous"
  }

  /// When a piece of text gets a space before it, written as the replacement.
  enum Prepending: String, Sendable, CaseIterable {
    case always, never
    /// Only where the text begins.
    case first
  }

  enum Step: Sendable {
    /// GPT-2's pattern, by hand.
    case gpt2
    /// A pattern; `isInverted` takes what lies between the matches for the matches.
    case split(SplitPattern, Behaviour, isInverted: Bool)
    /// Spaces become a visible character, and each begins a word if it `splits`.
    case metaspace(replacement: [UInt8], Prepending, splits: SplitPattern?)
    /// Every word that does not begin with a space gets one.
    case spaceBefore
  }

  /// Words of a text.
  struct Words: Sendable {
    var bytes: [UInt8]
    var ranges: [Range<Int>]
  }

  let steps: [Step]
  private let splitter = GPT2Splitter()

  init(steps: [Step]) { self.steps = steps }

  /// Whether the only step is GPT-2's pattern.
  var isGPT2: Bool {
    if steps.count == 1, case .gpt2 = steps[0] { return true }
    return false
  }

  /// End of the word that begins at an offset, by GPT-2's pattern.
  func endOfWord(in bytes: [UInt8], from start: Int, to end: Int) -> Int {
    splitter.endOfWord(in: bytes, from: start, to: end)
  }

  /// The words of a range that is not empty; `isBeginning` says whether it begins where the text does.
  func words(
    _ bytes: [UInt8], _ range: Range<Int>, isBeginning: Bool, _ scratch: inout SplitPattern.Scratch
  ) -> Words {
    var words = Words(bytes: bytes, ranges: [range])
    for step in steps {
      switch step {
      case .gpt2:
        var ranges: [Range<Int>] = []
        for range in words.ranges {
          var start = range.lowerBound
          while start < range.upperBound {
            let end = endOfWord(in: words.bytes, from: start, to: range.upperBound)
            ranges.append(start..<end)
            start = end
          }
        }
        words.ranges = ranges
      case .split(let pattern, let behaviour, let isInverted):
        words = split(words, pattern, behaviour, isInverted, &scratch)
      case .metaspace(let replacement, let prepending, let splits):
        words = rewritten(words) { (bytes, number) in
          let isFirst = isBeginning && number == 0
          var result: [UInt8] = []
          for byte in bytes {
            if byte == UInt8(ascii: " ") { result += replacement } else { result.append(byte) }
          }
          let prepends = prepending == .always || (prepending == .first && isFirst)
          return prepends && !result.starts(with: replacement) ? replacement + result : result
        }
        if let splits { words = split(words, splits, .mergedWithNext, false, &scratch) }
      case .spaceBefore:
        words = rewritten(words) { (bytes, _) in
          bytes.first == UInt8(ascii: " ") ? Array(bytes) : [UInt8(ascii: " ")] + bytes
        }
      }
    }
    return words
  }

  /// Words of which each is written anew, given its number.
  private func rewritten(_ words: Words, _ body: (ArraySlice<UInt8>, Int) -> [UInt8]) -> Words {
    var result = Words(bytes: [], ranges: [])
    for (number, range) in words.ranges.enumerated() {
      let start = result.bytes.count
      result.bytes += body(words.bytes[range], number)
      result.ranges.append(start..<result.bytes.count)
    }
    return result
  }

  private func split(
    _ words: Words, _ pattern: SplitPattern, _ behaviour: Behaviour, _ isInverted: Bool,
    _ scratch: inout SplitPattern.Scratch
  ) -> Words {
    var result = Words(bytes: words.bytes, ranges: [])
    var parts: [(range: Range<Int>, isMatch: Bool)] = []
    for range in words.ranges {
      switch behaviour {
      case .isolated:
        pattern.split(words.bytes, range, &scratch) { (range, _) in result.ranges.append(range) }
        continue
      case .removed:
        pattern.split(words.bytes, range, &scratch) { (range, isMatch) in
          if isMatch == isInverted { result.ranges.append(range) }
        }
        continue
      case .mergedWithPrevious, .mergedWithNext, .contiguous:
        parts.removeAll(keepingCapacity: true)
        pattern.split(words.bytes, range, &scratch) { (range, isMatch) in parts.append((range, isMatch != isInverted)) }
      }
      // A part joins the one before it, by the kinds of both.
      var last: Bool?
      for (index, part) in parts.enumerated() {
        let joins =
          switch behaviour {
          case .contiguous: part.isMatch == last
          case .mergedWithPrevious: part.isMatch && last == false
          default: index > 0 && joinsNext(parts, index - 1)
          }
        if joins, let open = result.ranges.popLast() {
          result.ranges.append(open.lowerBound..<part.range.upperBound)
        } else {
          result.ranges.append(part.range)
        }
        last = part.isMatch
      }
    }
    return result
  }

  /// Whether a match is put before the part behind it: a match between two does not join the second.
  private func joinsNext(_ parts: [(range: Range<Int>, isMatch: Bool)], _ index: Int) -> Bool {
    parts[index].isMatch && !parts[index + 1].isMatch
  }
}
