/// Tokens that are cut out of the text before any other rule sees it: the leftmost first, of those the longest.
struct AddedTokens: Sendable {
  /// What a token asks of the text around it.
  struct Rules: Sendable, Hashable {
    /// It is left alone where a word goes on before or behind it.
    var isSingleWord = false
    /// It takes the white space before it.
    var takesSpaceBefore = false
    /// It takes the white space behind it.
    var takesSpaceBehind = false
    /// It is text wherever it is spelled; it still ends what is looked for before it.
    var isText = false
  }

  private var children: [UInt64: Int] = [:]  // node and byte → node; node 0 is the root
  private var ids: [Int32?] = [nil]
  /// Whether a token may begin with these two bytes, the first in the upper half: most places are ruled out by it.
  private var isStart: [Bool] = []
  /// Of the tokens that have any.
  private var rules: [Int32: Rules] = [:]

  private static let words = ScalarSet(table: UnicodeClasses.words)

  /// Whether there is no token at all.
  var isEmpty: Bool { ids.count == 1 }

  /// Adds a token that is not empty.
  mutating func insert(_ content: [UInt8], id: Int32, rules: Rules) {
    if isStart.isEmpty { isStart = Array(repeating: false, count: 1 << 16) }
    let first = Int(content[0]) << 8
    for second in content.count > 1 ? content[1]...content[1] : 0...255 { isStart[first | Int(second)] = true }
    var node = 0
    for byte in content {
      let key = UInt64(node) << 8 | UInt64(byte)
      if let child = children[key] {
        node = child
      } else {
        ids.append(nil)
        children[key] = ids.count - 1
        node = ids.count - 1
      }
    }
    ids[node] = id
    if rules != Rules() { self.rules[id] = rules }
  }

  /// Hands over the tokens in a text and what lies between them, without id, in the order of the text.
  func split(_ bytes: [UInt8], _ body: (Range<Int>, Int32?) -> Void) {
    var start = 0  // of what no token has taken
    var index = 0
    while let match = next(in: bytes, from: index) {
      index = match.range.upperBound
      var range = match.range
      if let rules = rules[match.id] {
        let isPartOfWord = Self.isWord(bytes, before: range.lowerBound) || Self.isWord(bytes, at: index)
        if rules.isText || (rules.isSingleWord && isPartOfWord) { continue }
        if rules.takesSpaceBefore {
          // What an earlier token took stays with it.
          let space = max(Self.spaceStart(bytes, range.lowerBound), start)
          range = min(space, range.upperBound)..<range.upperBound
        }
        if rules.takesSpaceBehind { range = range.lowerBound..<Self.spaceEnd(bytes, range.upperBound) }
      }
      if start < range.lowerBound { body(start..<range.lowerBound, nil) }
      body(range, match.id)
      start = range.upperBound
    }
    if start < bytes.count { body(start..<bytes.count, nil) }
  }

  /// The next token in `bytes[start...]`, or `nil`.
  private func next(in bytes: [UInt8], from start: Int) -> (range: Range<Int>, id: Int32)? {
    if isEmpty { return nil }
    for first in start..<bytes.count {
      let second = first + 1 < bytes.count ? bytes[first + 1] : 0
      guard isStart[Int(bytes[first]) << 8 | Int(second)] else { continue }
      var node = 0
      var best: (range: Range<Int>, id: Int32)?
      var index = first
      while index < bytes.count, let child = children[UInt64(node) << 8 | UInt64(bytes[index])] {
        node = child
        index += 1
        if let id = ids[node] { best = (first..<index, id) }
      }
      if let best { return best }
    }
    return nil
  }
}

extension AddedTokens {
  private static func isWord(_ bytes: [UInt8], at index: Int) -> Bool {
    index < bytes.count && words.contains(bytes.scalar(at: index).value)
  }

  private static func isWord(_ bytes: [UInt8], before index: Int) -> Bool {
    index > 0 && isWord(bytes, at: scalarStart(bytes, before: index))
  }

  private static func scalarStart(_ bytes: [UInt8], before index: Int) -> Int {
    var start = index - 1
    while bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return start
  }

  /// Where the white space that ends at an offset begins.
  private static func spaceStart(_ bytes: [UInt8], _ end: Int) -> Int {
    var start = end
    while start > 0 {
      let before = scalarStart(bytes, before: start)
      guard ScalarSet.spaces.contains(bytes.scalar(at: before).value) else { break }
      start = before
    }
    return start
  }

  /// Where the white space that begins at an offset ends.
  private static func spaceEnd(_ bytes: [UInt8], _ start: Int) -> Int {
    var end = start
    while end < bytes.count {
      let (scalar, length) = bytes.scalar(at: end)
      guard ScalarSet.spaces.contains(scalar) else { break }
      end += length
    }
    return end
  }
}
