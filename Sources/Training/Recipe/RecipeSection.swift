internal import Formats
internal import Models
internal import Text

/// A map of a recipe while it is read. Every getter names one key, reports what is wrong with it and returns the default
/// then, so that reading goes on and finds the rest. `finish` reports keys that no getter named.
package final class RecipeSection {
  package let reader: RecipeReader
  /// The dotted key of the section; empty for the whole recipe.
  let path: String
  let position: RecipePosition
  private let entries: [RecipeNode.Entry]
  private var known: Set<String> = []

  /// A section that is not written has no `node`, and its keys all take their defaults.
  init(_ node: RecipeNode?, path: String, position: RecipePosition, reader: RecipeReader) {
    self.reader = reader
    self.path = path
    self.position = node?.position ?? position
    if case .map(let entries)? = node?.content {
      self.entries = entries
    } else {
      entries = []
      if let node, !node.isNull {
        reader.report(path, node.position, "expected a map of keys, found \(node.found)")
      }
    }
  }

  package func path(of key: String) -> String { path.isEmpty ? key : path + "." + key }

  /// Where `key` is written, or the section if it is not.
  package func position(of key: String) -> RecipePosition {
    entries.first { $0.key == key }?.value.position ?? position
  }

  /// The value of `key`, `nil` when it is not written.
  package func node(_ key: String) -> RecipeNode? {
    known.insert(key)
    reader.know(path(of: key))
    return entries.first { $0.key == key }?.value
  }

  package func report(_ key: String, _ message: String) {
    reader.report(path(of: key), position(of: key), message)
  }

  /// Reports the keys that were never asked for.
  func finish() {
    for entry in entries where !known.contains(entry.key) {
      reader.reportUnknown(section: path, key: entry.key, position: entry.position)
    }
  }

  /// Reads a nested section, which the closure must read completely.
  package func section<Value>(_ key: String, _ read: (RecipeSection) -> Value) -> Value {
    let section = RecipeSection(node(key), path: path(of: key), position: position, reader: reader)
    defer { section.finish() }
    return read(section)
  }

  /// Any value by a rule of its own; `expected` completes "expected …" when `convert` gives `nil`.
  package func value<Value>(
    _ key: String, default fallback: Value, expected: String, _ convert: (RecipeNode) -> Value?
  ) -> Value {
    guard let node = node(key) else { return fallback }
    guard let value = convert(node) else {
      report(key, "expected \(expected), found \(node.found)")
      return fallback
    }
    return value
  }

  /// Text that must be written.
  package func requiredText(_ key: String, hint: String) -> String {
    guard node(key) != nil else {
      reader.report(path(of: key), position, "expected \(hint), found no such key")
      return ""
    }
    return value(key, default: "", expected: hint) { node in
      node.string.flatMap { $0.isEmpty ? nil : $0 }
    }
  }

  package func int(_ key: String, in range: ClosedRange<Int>, default fallback: Int) -> Int {
    value(key, default: fallback, expected: Self.words(range)) { node in
      node.int.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// An integer, or `none` and `null` for nothing.
  func optionalInt(_ key: String, in range: ClosedRange<Int>, or word: String = "none", default fallback: Int?) -> Int?
  {
    value(key, default: fallback, expected: Self.words(range) + " or \(word)") { node -> Int?? in
      if node.isNull || node.plain == word { return .some(nil) }
      guard let value = node.int, range.contains(value) else { return .none }
      return value
    }
  }

  func double(_ key: String, _ rule: NumberRule, default fallback: Double) -> Double {
    value(key, default: fallback, expected: rule.words) { node in
      node.double.flatMap { rule.admits($0) ? $0 : nil }
    }
  }

  /// A number, or `none` and `null` for nothing.
  func optionalDouble(_ key: String, _ rule: NumberRule, default fallback: Double?) -> Double? {
    value(key, default: fallback, expected: rule.words + " or none") { node -> Double?? in
      if node.isNone { return .some(nil) }
      guard let value = node.double, rule.admits(value) else { return .none }
      return value
    }
  }

  package func bool(_ key: String, default fallback: Bool) -> Bool {
    value(key, default: fallback, expected: "true or false", \.bool)
  }

  /// One of the words of an enumeration. `planned` are words of the schema that this version cannot carry out yet.
  package func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, planned: [String] = [], default fallback: Choice
  ) -> Choice where Choice.RawValue == String {
    guard let node = node(key) else { return fallback }
    if let choice = node.string.flatMap(Choice.init(rawValue:)) { return choice }
    reportChoice(key, found: node, among: Choice.allCases.map(\.rawValue), planned: planned)
    return fallback
  }

  /// Says that `key` is none of `words`.
  func reportChoice(_ key: String, found node: RecipeNode, among words: [String], planned: [String] = []) {
    let list = words.count == 1 ? words[0] : words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    if let text = node.string, planned.contains(text) {
      return report(key, "\(text): not supported yet by this version; use \(list)")
    }
    let nearest = node.string.flatMap { Spelling.nearest(to: $0, in: words) }
    report(key, "expected \(list), found \(node.found)" + (nearest.map { "; did you mean '\($0)'?" } ?? ""))
  }

  /// Most of anything that is counted: the product of two such numbers is a number still.
  package static let mostCount = 1_000_000_000
  /// Most experts of a layer, and so most devices.
  static let mostExperts = 65_536

  private static func words(_ range: ClosedRange<Int>) -> String {
    range.upperBound == .max ? "an integer of at least \(range.lowerBound)" : "an integer in \(range)"
  }
}

/// Which numbers a key takes.
enum NumberRule {
  case positive
  case notNegative
  /// Of copies of a source in an epoch: above 0, at most 1000.
  case weight
  /// Times the mean: at least 1, at most 65536, beyond which no device can be.
  case loadCap
  /// Of adapters: above 0, at most a million.
  case alpha
  /// From 0 to below 1.
  case share

  func admits(_ value: Double) -> Bool {
    switch self {
    case .positive: value > 0
    case .notNegative: value >= 0
    case .weight: value > 0 && value <= Double(DataSource.mostWeight)
    case .loadCap: value >= 1 && value <= Double(RecipeSection.mostExperts)
    case .alpha: value > 0 && value <= AdapterSettings.LowRank.mostAlpha
    case .share: value >= 0 && value < 1
    }
  }

  var words: String {
    switch self {
    case .positive: "a number above 0"
    case .notNegative: "a number of at least 0"
    case .weight: "a number above 0 and at most \(DataSource.mostWeight)"
    case .loadCap: "a number from 1 to \(RecipeSection.mostExperts)"
    case .alpha: "a number above 0 and at most \(AdapterSettings.LowRank.mostAlpha)"
    case .share: "a number from 0 to below 1"
    }
  }
}
