internal import Text

/// A piece of XHTML or SVG. Text is escaped when it is written, so nothing a user names can become markup.
indirect enum Markup: Equatable, Sendable {
  case text(String)
  case element(name: String, attributes: [Attribute], children: [Markup])

  struct Attribute: Equatable, Sendable {
    let name: String
    let value: String
  }

  /// Elements of HTML that never have an end tag.
  private static let void: Set<String> = ["meta", "br", "hr", "img", "link", "col"]
  /// Elements of SVG that may close themselves.
  private static let shapes: Set<String> = ["path", "line", "rect", "circle", "polyline", "polygon"]

  /// Writes the piece behind what is there already.
  func write(to output: inout String) {
    switch self {
    case .text(let text):
      Self.escape(text, to: &output)
    case .element(let name, let attributes, let children):
      output += "<\(name)"
      for attribute in attributes {
        output += " \(attribute.name)=\""
        Self.escape(attribute.value, to: &output)
        output += "\""
      }
      if children.isEmpty && (Self.void.contains(name) || Self.shapes.contains(name)) {
        output += "/>"
      } else {
        output += ">"
        for child in children { child.write(to: &output) }
        output += "</\(name)>"
      }
    }
  }

  private static func escape(_ text: String, to output: inout String) {
    for character in text.unicodeScalars {
      switch character {
      case "&": output += "&amp;"
      case "<": output += "&lt;"
      case ">": output += "&gt;"
      case "\"": output += "&quot;"
      // These would turn the text behind them.
      case _ where !Printable.isHarmless(character) && character.value > 0x9F:
        output += Printable.text(String(character))
      // XML has no way to write other control characters.
      case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}":
        output += "\u{FFFD}"
      default: output.unicodeScalars.append(character)
      }
    }
  }
}

/// Collects children: strings, elements, lists of them, with `if` and `for`.
@resultBuilder
enum MarkupBuilder {
  static func buildExpression(_ text: String) -> [Markup] { [.text(text)] }
  static func buildExpression(_ element: Markup) -> [Markup] { [element] }
  static func buildExpression(_ elements: [Markup]) -> [Markup] { elements }
  static func buildBlock(_ parts: [Markup]...) -> [Markup] { parts.flatMap { $0 } }
  static func buildOptional(_ part: [Markup]?) -> [Markup] { part ?? [] }
  static func buildEither(first part: [Markup]) -> [Markup] { part }
  static func buildEither(second part: [Markup]) -> [Markup] { part }
  static func buildArray(_ parts: [[Markup]]) -> [Markup] { parts.flatMap { $0 } }
}

/// An element with children.
func tag(
  _ name: String, _ attributes: KeyValuePairs<String, String> = [:],
  @MarkupBuilder _ children: () -> [Markup] = { [] }
) -> Markup {
  .element(name: name, attributes: attributes.map { .init(name: $0.key, value: $0.value) }, children: children())
}

/// An element that holds one text.
func tag(_ name: String, _ attributes: KeyValuePairs<String, String> = [:], _ text: String) -> Markup {
  tag(name, attributes) { text }
}

/// An element without attributes that holds one text.
func tag(_ name: String, _ text: String) -> Markup { tag(name, [:], text) }
