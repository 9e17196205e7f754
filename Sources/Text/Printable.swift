/// Text of models, data and files as a person may be shown it: it must steer neither the terminal nor the eye.
public enum Printable {
  /// The text with control characters spelled out as `\u{1b}`, but for line breaks and tabs, and so are the characters
  /// that turn the direction of the text behind them (embeddings, overrides and isolates).
  ///
  /// - Parameter text: Any text.
  /// - Returns: The same where there is nothing to spell out.
  public static func text(_ text: String) -> String {
    spelled(text) { "\\u{" + String($0.value, radix: 16) + "}" }
  }

  /// A JSON text with the same characters spelled as JSON does, in strings, which are the only place for them.
  ///
  /// - Parameter text: JSON.
  /// - Returns: The same value.
  public static func json(_ text: String) -> String {
    spelled(text) {
      let digits = String($0.value, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
  }

  /// Whether a character may stand as it is.
  package static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A: true
    case 0..<0x20, 0x7F..<0xA0: false
    case 0x202A...0x202E, 0x2066...0x2069: false
    default: true
    }
  }

  private static func spelled(_ text: String, _ spelling: (Unicode.Scalar) -> String) -> String {
    if text.unicodeScalars.allSatisfy(isHarmless) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isHarmless(scalar) { result.unicodeScalars.append(scalar) } else { result += spelling(scalar) }
    }
    return result
  }
}
