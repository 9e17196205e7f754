/// A JSON value whose objects keep their order, and in which a repeated key is an error.
///
/// Foundation keeps one of two equal keys silently; in a file that says where weights lie that is an attack or damage.
/// - Source: RFC 8259.
enum StrictJSON: Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case real(Double)
  case string(String)
  case array([StrictJSON])
  case object([(key: String, value: StrictJSON)])

  /// What is wrong, and at which byte.
  struct Failure: Error, Equatable {
    let offset: Int
    let expected: String
    let found: String
  }

  /// What is expected where a key comes again.
  static let uniqueKeys = "every key once"

  init(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    var parser = StrictJSONParser(bytes: bytes)
    self = try parser.document()
  }

  /// The value of a key, `nil` if there is none or this is no object.
  subscript(key: String) -> StrictJSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  static func == (a: StrictJSON, b: StrictJSON) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.real(let a), .real(let b)): a == b
    case (.string(let a), .string(let b)): a == b
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a.elementsEqual(b, by: ==)
    default: false
    }
  }

  /// Text as a JSON string, quotes included.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

private struct StrictJSONParser {
  let bytes: UnsafeRawBufferPointer
  var index = 0

  mutating func document() throws(StrictJSON.Failure) -> StrictJSON {
    let value = try value(depth: 0)
    skipSpace()
    guard index == bytes.count else { throw failure("the end of the text") }
    return value
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private func failure(_ expected: String) -> StrictJSON.Failure {
    let found =
      switch next {
      case nil: "the end of the text"
      case .some(let byte) where (0x21..<0x7F).contains(byte): "'\(Character(UnicodeScalar(byte)))'"
      case .some(let byte): "byte \(byte)"
      }
    return .init(offset: index, expected: expected, found: found)
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
  }

  private mutating func take(_ character: UInt8) -> Bool {
    guard next == character else { return false }
    index += 1
    return true
  }

  private mutating func value(depth: Int) throws(StrictJSON.Failure) -> StrictJSON {
    skipSpace()
    guard depth < 128 else { throw failure("at most 128 levels") }
    switch next {
    case UInt8(ascii: "{"): return try object(depth)
    case UInt8(ascii: "["): return try array(depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
    default: throw failure("a JSON value")
    }
  }

  private mutating func object(_ depth: Int) throws(StrictJSON.Failure) -> StrictJSON {
    index += 1
    var members: [(key: String, value: StrictJSON)] = []
    var keys: Set<String> = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      let start = index
      guard next == UInt8(ascii: "\"") else { throw failure("a key in quotes") }
      let key = try string()
      guard keys.insert(key).inserted else {
        throw .init(offset: start, expected: StrictJSON.uniqueKeys, found: "'\(key)' twice")
      }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure("':'") }
      members.append((key, try value(depth: depth + 1)))
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw failure("',' or '}'") }
    }
  }

  private mutating func array(_ depth: Int) throws(StrictJSON.Failure) -> StrictJSON {
    index += 1
    var elements: [StrictJSON] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw failure("',' or ']'") }
    }
  }

  private mutating func word(_ word: String, _ value: StrictJSON) throws(StrictJSON.Failure) -> StrictJSON {
    for byte in word.utf8 {
      guard take(byte) else { throw failure("'\(word)'") }
    }
    return value
  }

  private mutating func number() throws(StrictJSON.Failure) -> StrictJSON {
    let start = index
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) { try digits() }
    var whole = true
    if take(UInt8(ascii: ".")) {
      whole = false
      try digits()
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      whole = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    if whole, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      throw .init(offset: start, expected: "a number that a double can hold", found: "'\(text.prefix(40))'")
    }
    return .real(value)
  }

  private mutating func digits() throws(StrictJSON.Failure) {
    let start = index
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
    guard index > start else { throw failure("a digit") }
  }

  private mutating func string() throws(StrictJSON.Failure) -> String {
    index += 1
    let start = index
    var text: [UInt8] = []
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw failure("text without control characters") }
      index += 1
      if byte == UInt8(ascii: "\\") { try escape(into: &text) } else { text.append(byte) }
    }
    guard take(UInt8(ascii: "\"")) else { throw failure("a closing quote") }
    guard let result = String(validating: text, as: UTF8.self) else {
      throw .init(offset: start, expected: "UTF-8 text", found: "other bytes")
    }
    return result
  }

  private mutating func escape(into text: inout [UInt8]) throws(StrictJSON.Failure) {
    guard let byte = next else { throw failure("an escape") }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      index += 1
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw failure("the second half of a surrogate pair") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = UnicodeScalar(code) else { throw failure("a whole surrogate pair") }
      text += Array(String(Character(scalar)).utf8)
      return
    default: throw failure("an escape")
    }
    index += 1
  }

  private mutating func hexadecimal() throws(StrictJSON.Failure) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = next.flatMap({ Character(UnicodeScalar($0)).hexDigitValue }) else {
        throw failure("four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      index += 1
    }
    return code
  }
}
