/// A piece of YAML that remembers where it was written: the form in which files, arguments and arms are merged
/// before anything is decoded, so that every error can point at the text that caused it.
package struct RecipeNode: Sendable {
  /// What a node holds.
  package enum Content: Sendable {
    /// Text; `plain` when it stood without quotes and may mean a number, `null` or a word.
    case scalar(String, plain: Bool)
    case list([RecipeNode])
    /// Entries in file order; keys are distinct.
    case map([Entry])
  }

  /// A key with its value.
  package struct Entry: Sendable {
    package var key: String
    package var position: RecipePosition
    package var value: RecipeNode
  }

  package var content: Content
  package var position: RecipePosition

  /// The text of a scalar without quotes, `nil` for anything else.
  var plain: String? {
    if case .scalar(let text, plain: true) = content { return text }
    return nil
  }

  /// The text of a scalar, quoted or not; `nil` for `null` and for lists and maps.
  package var string: String? {
    guard case .scalar(let text, let plain) = content else { return nil }
    return plain && isNull ? nil : text
  }

  /// Whether this is YAML's null.
  var isNull: Bool {
    ["", "~", "null", "Null", "NULL"].contains(plain)
  }

  /// Whether this is the word `none` or YAML's null, which mean the same wherever a key may be switched off.
  var isNone: Bool { isNull || plain == "none" }

  /// A decimal integer.
  package var int: Int? { plain.flatMap { Int($0) } }

  /// A finite decimal number.
  package var double: Double? {
    guard let plain, plain.allSatisfy({ "+-.0123456789eE".contains($0) }), let value = Double(plain), value.isFinite
    else { return nil }
    return value
  }

  /// A truth value in the spellings of YAML 1.1 and 1.2.
  var bool: Bool? {
    switch plain?.lowercased() {
    case "true", "on", "yes": true
    case "false", "off", "no": false
    default: nil
    }
  }

  /// How the node is quoted in a message.
  package var found: String {
    switch content {
    case .scalar(let text, let plain):
      if !plain { return "'\"\(text)\"'" }
      return isNull ? "null" : "'\(text)'"
    case .list(let items): return items.isEmpty ? "an empty list" : "a list"
    case .map(let entries): return entries.isEmpty ? "an empty map" : "a map"
    }
  }

  /// The value of `key` in a map.
  package subscript(key: String) -> RecipeNode? {
    guard case .map(let entries) = content else { return nil }
    return entries.first { $0.key == key }?.value
  }
}

// Building nodes from values, for the encoder.
extension RecipeNode {
  static func text(_ value: String) -> RecipeNode {
    RecipeNode(content: .scalar(value, plain: isSafePlain(value)), position: .resolved)
  }

  static func word(_ value: String) -> RecipeNode {
    RecipeNode(content: .scalar(value, plain: true), position: .resolved)
  }

  static func int(_ value: Int) -> RecipeNode { word("\(value)") }

  /// The shortest decimal that reads back as the same `Double`, always with a point: YAML 1.1 takes `2e-05` for text.
  static func double(_ value: Double) -> RecipeNode {
    let text = "\(value)"
    guard let exponent = text.firstIndex(of: "e"), !text.contains(".") else { return word(text) }
    return word(text[..<exponent] + ".0" + text[exponent...])
  }

  static func list(_ items: [RecipeNode]) -> RecipeNode { RecipeNode(content: .list(items), position: .resolved) }

  static func map(_ entries: [(String, RecipeNode)]) -> RecipeNode {
    let entries = entries.map { Entry(key: $0.0, position: .resolved, value: $0.1) }
    return RecipeNode(content: .map(entries), position: .resolved)
  }

  /// Whether `text` may stand in YAML without quotes and still be text, in YAML 1.1 as well.
  private static func isSafePlain(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last else { return false }
    let letters = { (scalar: Unicode.Scalar) in
      ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "/" || scalar == "_"
    }
    let inner = { (scalar: Unicode.Scalar) in
      letters(scalar) || ("0"..."9").contains(scalar) || scalar == "." || scalar == "-" || scalar == " "
    }
    guard letters(first), last != " ", text.unicodeScalars.allSatisfy(inner) else { return false }
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"]
    return !reserved.contains(text.lowercased())
  }
}
