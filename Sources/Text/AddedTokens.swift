/// Tokens that are cut out of the text before any other rule sees it: the leftmost first, of those the longest.
struct AddedTokens: Sendable {
  private var children: [UInt64: Int] = [:]  // node and byte → node; node 0 is the root
  private var ids: [Int32?] = [nil]
  /// Whether a token may begin with these two bytes, the first in the upper half: most places are ruled out by it.
  private var isStart: [Bool] = []

  /// Whether there is no token at all.
  var isEmpty: Bool { ids.count == 1 }

  /// Adds a token that is not empty.
  mutating func insert(_ content: [UInt8], id: Int32) {
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
  }

  /// The next token in `bytes[start...]`, or `nil`.
  func next(in bytes: [UInt8], from start: Int) -> (range: Range<Int>, id: Int32)? {
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
