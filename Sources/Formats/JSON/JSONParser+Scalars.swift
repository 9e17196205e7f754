extension JSONParser {
  mutating func string() throws(JSONError) -> String {
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

  mutating func number() throws(JSONError) -> JSONValue {
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

  mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard bytes[index..<end].starts(with: word.utf8) else { throw error("\(found) in place of a value") }
    index += word.utf8.count
    return value
  }

  mutating func skipSpace() {
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

  mutating func take(_ byte: UInt8) -> Bool {
    guard index < end, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  mutating func expect(_ byte: UInt8) throws(JSONError) {
    skipSpace()
    guard take(byte) else { throw error("\(found) in place of '\(Character(Unicode.Scalar(byte)))'") }
  }

  /// The next byte in words.
  var found: String {
    guard index < end else { return "the end of the text" }
    let byte = bytes[index]
    return (0x21..<0x7F).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x" + String(byte, radix: 16, uppercase: true)
  }

  func error(_ reason: String) -> JSONError {
    JSONError(line: line, column: index - lineStart + 1, offset: index, reason: reason)
  }
}
