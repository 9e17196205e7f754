internal import Text

/// Text of files inside of Markdown.
enum Markdown {
  /// The text on one line, so that nothing in it becomes markup: `|` and backticks are escaped, `<` where a tag could begin,
  /// links are taken apart, and control characters are spelled out.
  static func text(_ text: String) -> String {
    let scalars = Array(Printable.text(text).unicodeScalars)
    var result = String.UnicodeScalarView()
    for (index, scalar) in scalars.enumerated() {
      let next = index + 1 < scalars.count ? scalars[index + 1] : " "
      switch scalar {
      case "\n": result.append(" ")
      case "|", "`": result.append(contentsOf: ["\\", scalar])
      case "<" where next.properties.isAlphabetic || "/!?".unicodeScalars.contains(next):
        result.append(contentsOf: "&lt;".unicodeScalars)
      case "]" where next == "(" || next == "[" || next == ":": result.append(contentsOf: ["\\", scalar])
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}
