/// Text of models and data as a terminal may show it.
public enum Printable {
  /// The text with control characters spelled out, but for line breaks and tabs: data must not steer the terminal.
  public static func text(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if scalar.properties.generalCategory == .control, scalar != "\n", scalar != "\t" {
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
