/// A JSON value whose objects keep the order of their keys.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// One key of an object with its value.
  package struct Member: Equatable, Sendable {
    package let key: String
    package let value: JSONValue

    package init(key: String, value: JSONValue) {
      (self.key, self.value) = (key, value)
    }
  }

  /// The value of a key, `nil` where this is not an object or lacks it; the last one counts if a key is repeated.
  package subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.key == key }?.value
  }

  package var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  package var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  package var integer: Int? {
    guard case .integer(let value) = self else { return nil }
    return value
  }

  /// What this is, in words for messages.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "the number \(value)"
    case .number(let value): "the number \(value)"
    case .string(let value): "'\(value)'"
    case .array(let values): "a list of \(values.count)"
    case .object: "an object"
    }
  }
}

/// Where JSON text is broken, and why.
package struct JSONError: Error, Equatable {
  package let line: Int
  package let column: Int
  /// What was found in place of the expected, in words.
  package let reason: String

  /// How ``reason`` begins where the text ends too soon, and ends where it goes on behind the value.
  static let end = "the end of the text", trailing = "after the end of the value"
}

/// A strict JSON reader (RFC 8259) that knows the line it is on, which data files need for their messages.
package struct JSONParser {
  private let bytes: [UInt8]
  private var index: Int
  private let end: Int
  private var lineStart: Int
  /// Line of the next byte, counted from 1.
  package private(set) var line: Int

  /// Deeper values are refused: recursion must not exhaust the stack on hostile input.
  private static let deepest = 200

  /// Whether Python's `NaN`, `Infinity` and `-Infinity`, which are not JSON, are numbers.
  private let readsNonFinite: Bool

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

  /// One of Python's numbers that are not finite; nil where something else stands there.
  private mutating func nonFinite() throws(JSONError) -> JSONValue? {
    let words: [(String, Double)] = [("NaN", .nan), ("Infinity", .infinity), ("-Infinity", -.infinity)]
    for (word, value) in words where bytes[index..<end].starts(with: word.utf8) {
      guard readsNonFinite else { throw error("\(word), which JSON does not have") }
      index += word.utf8.count
      return .number(value)
    }
    return nil
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
    index += 1
    var members: [JSONValue.Member] = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object([]) }
    while true {
      skipSpace()
      guard index < end, bytes[index] == UInt8(ascii: "\"") else { throw error("\(found) in place of a key") }
      let key = try string()
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

extension JSONParser {
  private mutating func string() throws(JSONError) -> String {
    index += 1
    let start = index
    while index < end, bytes[index] != UInt8(ascii: "\""), bytes[index] != UInt8(ascii: "\\"), bytes[index] >= 0x20 {
      index += 1
    }
    if index < end, bytes[index] == UInt8(ascii: "\"") {
      index += 1
      return try text(bytes[start..<index - 1])
    }
    var result = Array(bytes[start..<index])
    while index < end {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return try text(result[...])
      case UInt8(ascii: "\\"):
        result.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20:
        throw error("\(found) inside a string")
      default:
        result.append(byte)
        index += 1
      }
    }
    throw error("\(found) inside a string")
  }

  private func text(_ slice: ArraySlice<UInt8>) throws(JSONError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw error("a string that is not UTF-8") }
    return text
  }

  private mutating func escape() throws(JSONError) -> Unicode.Scalar {
    guard index + 1 < end else { throw error("the end of the text inside a string") }
    let letter = bytes[index + 1]
    index += 2
    switch letter {
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
    case UInt8(ascii: "u"):
      var value = try hexadecimal()
      if (0xD800..<0xDC00).contains(value), index + 1 < end, bytes[index] == UInt8(ascii: "\\"),
        bytes[index + 1] == UInt8(ascii: "u")
      {
        index += 2
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw error("half a surrogate pair") }
        value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("half a surrogate pair") }
      return scalar
    default:
      index -= 1
      throw error("\(found) after a backslash")
    }
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    guard index + 4 <= end else { throw error("the end of the text inside an escape") }
    var value: UInt32 = 0
    for byte in bytes[index..<index + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("an escape that is not hexadecimal")
      }
      value = value << 4 | UInt32(digit)
    }
    index += 4
    return value
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = index
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    if take(UInt8(ascii: "-")) {}
    let first = index
    while index < end, digits.contains(bytes[index]) { index += 1 }
    let whole = index - first
    guard whole > 0, whole == 1 || bytes[first] != UInt8(ascii: "0") else {
      if whole == 0, index == start { throw error("\(found) in place of a value") }
      throw error("a malformed number")
    }
    var isInteger = true
    if take(UInt8(ascii: ".")) {
      isInteger = false
      let fraction = index
      while index < end, digits.contains(bytes[index]) { index += 1 }
      guard index > fraction else { throw error("a malformed number") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isInteger = false
      if !take(UInt8(ascii: "+")), take(UInt8(ascii: "-")) {}
      let exponent = index
      while index < end, digits.contains(bytes[index]) { index += 1 }
      guard index > exponent else { throw error("a malformed number") }
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw error("a number out of range") }
    return .number(value)
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard bytes[index..<end].starts(with: word.utf8) else { throw error("\(found) in place of a value") }
    index += word.utf8.count
    return value
  }

  private mutating func skipSpace() {
    while index < end {
      switch bytes[index] {
      case 0x20, 0x09, 0x0D: index += 1
      case 0x0A:
        index += 1
        line += 1
        lineStart = index
      default: return
      }
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard index < end, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    skipSpace()
    guard take(byte) else { throw error("\(found) in place of '\(Character(Unicode.Scalar(byte)))'") }
  }

  /// The next byte in words.
  private var found: String {
    guard index < end else { return JSONError.end }
    let byte = bytes[index]
    return (0x21..<0x7F).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x" + String(byte, radix: 16, uppercase: true)
  }

  private func error(_ reason: String) -> JSONError {
    JSONError(line: line, column: index - lineStart + 1, reason: reason)
  }
}
