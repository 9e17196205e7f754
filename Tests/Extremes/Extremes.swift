/// Numbers at the ends of what types hold, in the places of those that a text has: what a file may say and no reader
/// may trap on.
public enum Extremes {
  /// Around zero and the ends of Int32 and Int64, beyond them, beyond what a float and a double hold, and no number at
  /// all.
  public static let numbers = [
    "-9223372036854775808", "-1", "-0.0", "0", "1", "2147483647", "2147483648", "1099511627776", "9223372036854775807",
    "9223372036854775808", "1e18", "1e308", "1e400", "NaN",
  ]

  /// Where the numbers of a text in JSON, YAML or Python stand; those in double quotes and in words are left alone.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - most: Places that are given at most, evenly spread; neighbours are mostly of a kind.
  /// - Returns: Ranges of bytes.
  public static func places(in text: [UInt8], most: Int = 30) -> [Range<Int>] {
    var places: [Range<Int>] = []
    var index = 0
    func isWord(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || [0x5F, 0x2E, 0x2F].contains(byte) || byte >= 0x80
    }
    while index < text.count {
      let start = index
      index += 1
      switch text[start] {
      case UInt8(ascii: "\""):
        while index < text.count, text[index] != UInt8(ascii: "\"") { index += text[index] == 0x5C ? 2 : 1 }
        index += 1
      case UInt8(ascii: "#"):
        while index < text.count, text[index] != 0x0A { index += 1 }
      case let byte where isWord(byte) || byte == UInt8(ascii: "-"):
        while index < text.count, isWord(text[index]) || isExponent(text, index) { index += 1 }
        let word = String(decoding: text[start..<index], as: UTF8.self)
        if word.contains(where: \.isNumber), Double(word) != nil { places.append(start..<index) }
      default: break
      }
    }
    if places.count <= most { return places }
    return (0..<most).map { places[$0 * places.count / most] }
  }

  /// Whether the sign of an exponent is here, as in 1e-5.
  private static func isExponent(_ text: [UInt8], _ index: Int) -> Bool {
    [UInt8(ascii: "-"), UInt8(ascii: "+")].contains(text[index])
      && [UInt8(ascii: "e"), UInt8(ascii: "E")].contains(text[index - 1])
      && index > 1 && (0x30...0x39).contains(text[index - 2] == 0x2E ? text[index - 3] : text[index - 2])
  }

  /// Texts in which one number became another.
  public static func variants(of text: [UInt8], most: Int = 30, _ body: ([UInt8], String) throws -> Void) rethrows {
    for place in places(in: text, most: most) {
      for number in numbers {
        let was = String(decoding: text[place], as: UTF8.self)
        try body(
          Array(text[..<place.lowerBound]) + Array(number.utf8) + Array(text[place.upperBound...]),
          "\(was) at byte \(place.lowerBound) → \(number)")
      }
    }
  }

  /// The same of a text.
  public static func texts(of text: String, most: Int = 30, _ body: (String, String) throws -> Void) rethrows {
    try variants(of: Array(text.utf8), most: most) { try body(String(decoding: $0, as: UTF8.self), $1) }
  }
}
