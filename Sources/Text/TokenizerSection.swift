internal import Formats

/// An object of a tokenizer file that knows its path, for messages.
struct TokenizerSection {
  let value: JSONValue
  let source: String
  let path: String

  var type: String? { value["type"]?.string }

  func name(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

  func invalid(_ key: String, _ expected: String, _ found: String) -> TokenizerError {
    .invalid(source: source, key: name(key), expected: expected, found: found)
  }

  func unsupported(_ key: String, _ feature: String, _ supported: String) -> TokenizerError {
    .unsupported(source: source, key: name(key), feature: feature, supported: supported)
  }

  func optionalSection(_ key: String) -> TokenizerSection? {
    guard let child = value[key], child != .null else { return nil }
    return TokenizerSection(value: child, source: source, path: name(key))
  }

  func section(_ key: String) throws(TokenizerError) -> TokenizerSection {
    guard let section = optionalSection(key) else { throw .missing(source: source, key: name(key)) }
    return section
  }

  /// The objects of a list.
  func sections(_ key: String) throws(TokenizerError) -> [TokenizerSection] {
    guard case .array(let rows)? = value[key] else { throw invalid(key, "a list", value[key]?.kind ?? "none") }
    return rows.enumerated().map {
      TokenizerSection(value: $0.element, source: source, path: name("\(key)[\($0.offset)]"))
    }
  }

  /// Refuses keys that are not known: they might change the tokens.
  func allow(_ keys: Set<String>) throws(TokenizerError) {
    guard case .object(let members) = value else {
      throw .invalid(source: source, key: path.isEmpty ? "(the whole)" : path, expected: "an object", found: value.kind)
    }
    for member in members where !keys.contains(member.key) {
      throw unsupported(member.key, "this key", "one of \(keys.sorted().joined(separator: ", "))")
    }
  }

  func expectNull(_ key: String) throws(TokenizerError) {
    if let found = value[key], found != .null { throw unsupported(key, found.kind, "null") }
  }

  func bool(_ key: String, default: Bool) throws(TokenizerError) -> Bool {
    guard let found = value[key], found != .null else { return `default` }
    guard let value = found.bool else { throw invalid(key, "true or false", found.kind) }
    return value
  }

  func text(_ key: String) throws(TokenizerError) -> String {
    guard let found = value[key] else { throw .missing(source: source, key: name(key)) }
    guard let text = found.string else { throw invalid(key, "a text", found.kind) }
    return text
  }

  /// A text that must not be empty, as UTF-8.
  func bytes(_ key: String) throws(TokenizerError) -> [UInt8] {
    let text = try text(key)
    if text.isEmpty { throw invalid(key, "a text that is not empty", "''") }
    return Array(text.utf8)
  }

  /// A number of characters.
  func count(_ key: String) throws(TokenizerError) -> Int {
    guard let count = value[key]?.integer, (0...1000).contains(count) else {
      throw invalid(key, "a number from 0 to 1000", value[key]?.kind ?? "none")
    }
    return count
  }

  /// The one of several spellings that a text is.
  func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String
  ) throws(TokenizerError) -> Choice where Choice.RawValue == String {
    let text = try text(key)
    guard let choice = Choice(rawValue: text) else {
      throw unsupported(key, "'\(text)'", Choice.allCases.map(\.rawValue).joined(separator: " or "))
    }
    return choice
  }

  /// The type of a step, checked to be there.
  func requiredType() throws(TokenizerError) -> String {
    guard let type else { throw .missing(source: source, key: name("type")) }
    return type
  }

  /// The text of `{"String": …}`.
  func pattern() throws(TokenizerError) -> (kind: String, text: String) {
    let section = try section("pattern")
    guard case .object(let members) = section.value, members.count == 1, let text = members[0].value.string,
      ["String", "Regex"].contains(members[0].key)
    else { throw invalid("pattern", "{\"String\": …} or {\"Regex\": …}", section.value.kind) }
    return (members[0].key, text)
  }
}
