/// Where JSON text is broken, and why.
package struct JSONError: Error, Equatable {
  package let line: Int
  package let column: Int
  /// Bytes before the place.
  package let offset: Int
  /// What was found in place of the expected, in words.
  package let reason: String

  /// How ``reason`` begins where the text ends too soon, and ends where it goes on behind the value.
  package static let end = "the end of the text", trailing = "after the end of the value"
}

/// A strict JSON reader (RFC 8259) that knows the line it is on, which data files need for their messages.
///
/// A repeated key is an error: other readers keep one of the two without a word, the first or the last.
package struct JSONParser {
  let bytes: [UInt8]
  let end: Int
  /// The next byte.
  var index: Int
  /// Its line, counted from 1.
  var line: Int
  var lineStart: Int

  /// Deeper values are refused: recursion must not exhaust the stack on hostile input.
  private static let deepest = 200

  /// Whether Python's `NaN`, `Infinity` and `-Infinity`, which are not JSON, are numbers.
  let readsNonFinite: Bool

  /// Reads `range` of the bytes, all of them if it is `nil`; `line` is the number of the line on which it begins, and
  /// `readsNonFinite` says that Python's `NaN`, `Infinity` and `-Infinity` are read.
  package init(_ bytes: [UInt8], range: Range<Int>? = nil, line: Int = 1, readsNonFinite: Bool = false) {
    self.bytes = bytes
    self.readsNonFinite = readsNonFinite
    index = range?.lowerBound ?? 0
    end = range?.upperBound ?? bytes.count
    lineStart = index
    self.line = line
  }

  /// Whether a text is JSON from its beginning to its end.
  package static func accepts(_ text: some Sequence<UInt8>) -> Bool {
    var parser = JSONParser(Array(text))
    return (try? parser.document()) != nil
  }

  /// Reads the only value of the text.
  package mutating func document() throws(JSONError) -> JSONValue {
    let result = try value(depth: 0)
    skipSpace()
    guard index == end else { throw error("\(found) \(JSONError.trailing)") }
    return result
  }

  /// Reads a list at the top and hands over each element with the line on which it begins.
  package mutating func elements<E: Error>(_ body: (JSONValue, Int) throws(E) -> Void) throws(E) -> JSONError? {
    do throws(JSONError) { try expect(UInt8(ascii: "[")) } catch { return error }
    skipSpace()
    if take(UInt8(ascii: "]")) { return trailing() }
    while true {
      let element: JSONValue
      skipSpace()
      let start = line
      do throws(JSONError) { element = try value(depth: 1) } catch { return error }
      try body(element, start)
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "]")) else { return error("\(found) in place of ',' or ']'") }
      return trailing()
    }
  }

  private mutating func trailing() -> JSONError? {
    skipSpace()
    return index == end ? nil : error("\(found) after the end of the list")
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    skipSpace()
    guard depth < Self.deepest else { throw error("more than \(Self.deepest) nested values") }
    guard index < end else { throw error(found) }
    switch bytes[index] {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N"), UInt8(ascii: "I"), UInt8(ascii: "-"):
      if let value = try nonFinite() { return value }
      return try number()
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
    index += 1
    var members: [JSONValue.Member] = []
    var keys = UniqueKeys()
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object([]) }
    while true {
      skipSpace()
      guard index < end, bytes[index] == UInt8(ascii: "\"") else { throw error("\(found) in place of a key") }
      let start = index
      let key = try string()
      guard keys.insert(key, members) else {
        index = start
        throw error("the key '\(key)' a second time")
      }
      try expect(UInt8(ascii: ":"))
      members.append(.init(key: key, value: try value(depth: depth + 1)))
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "}")) else { throw error("\(found) in place of ',' or '}'") }
      return .object(members)
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
    index += 1
    var values: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array([]) }
    while true {
      values.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      guard take(UInt8(ascii: "]")) else { throw error("\(found) in place of ',' or ']'") }
      return .array(values)
    }
  }
}

/// Finds a repeated key: small objects, such as rows of data, without the cost of a set.
private struct UniqueKeys {
  private var set: Set<ExactText> = []

  /// Whether a key is not among those of the members before it.
  mutating func insert(_ key: String, _ members: [JSONValue.Member]) -> Bool {
    if members.count < 8 { return !members.contains { ExactText($0.key) == ExactText(key) } }
    if set.isEmpty { set = Set(members.map { ExactText($0.key) }) }
    return set.insert(ExactText(key)).inserted
  }
}
