internal import Formats

/// A configuration that cannot be read: where, what was expected, what was found.
public enum ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The text is no JSON object.
  case notAnObject(file: String, reason: String)
  /// A key that matters is missing.
  case missing(key: String, file: String, expected: String)
  /// A value of the wrong type or out of range, or one that means something that is not computed.
  case invalid(key: String, file: String, expected: String, found: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .notAnObject(let file, let reason):
      "\(file): expected a JSON object, found \(reason); try the file that belongs to the model"
    case .missing(let key, let file, let expected):
      "\(file): \(key): expected \(expected), found nothing; class defaults are not used: add the key"
    case .invalid(let key, let file, let expected, let found):
      "\(file): \(key): expected \(expected), found \(found)"
    }
  }
}

/// Typed access to a `config.json` and its like: a key that matters is never silently defaulted, `null` is no value.
struct ConfigurationReader {
  let file: String
  /// `rope_parameters.` in front of keys of that section.
  let prefix: String
  /// The object, without what is null.
  let json: JSONValue
  private let values: [String: JSONValue]
  /// Keys that are there with a value, sorted.
  var keys: [String] { values.keys.sorted() }

  /// Largest number that float32 has room to compute with.
  private static let largest = 1e30

  init(json: String, file: String) throws(ConfigurationError) {
    var parser = JSONParser(Array(json.utf8))
    let value: JSONValue
    do throws(JSONError) {
      value = try parser.document()
    } catch {
      throw .notAnObject(file: file, reason: "\(error.reason) in line \(error.line), column \(error.column)")
    }
    guard case .object(let members) = value else { throw .notAnObject(file: file, reason: value.kind) }
    self.init(members, file: file, prefix: "")
  }

  private init(_ members: [JSONValue.Member], file: String, prefix: String) {
    let members = members.filter { $0.value != .null }
    json = .object(members)
    values = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
    (self.file, self.prefix) = (file, prefix)
  }

  /// The value under a key; nil where it is absent or null.
  func value(_ key: String) -> JSONValue? { values[key] }

  func int(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
    guard let value = try optionalInt(key, in: range) else {
      throw .missing(key: prefix + key, file: file, expected: "an integer in \(range)")
    }
    return value
  }

  func optionalInt(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let integer = value.whole, range.contains(integer) else {
      throw invalid(key, "an integer in \(range)", value)
    }
    return integer
  }

  func double(_ key: String, above bound: Double) throws(ConfigurationError) -> Double {
    guard let value = try optionalDouble(key, above: bound) else {
      throw .missing(key: prefix + key, file: file, expected: "a number above \(bound)")
    }
    return value
  }

  func optionalDouble(_ key: String, above bound: Double) throws(ConfigurationError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.real, number > bound, number <= Self.largest else {
      throw invalid(key, "a number above \(bound) and at most \(Self.largest)", value)
    }
    return number
  }

  /// A number of at least 0.
  func optionalShare(_ key: String) throws(ConfigurationError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.real, number >= 0, number <= Self.largest else {
      throw invalid(key, "a number of at least 0", value)
    }
    return number
  }

  func bool(_ key: String) throws(ConfigurationError) -> Bool {
    guard let flag = try optionalBool(key) else {
      throw .missing(key: prefix + key, file: file, expected: "true or false")
    }
    return flag
  }

  func optionalBool(_ key: String) throws(ConfigurationError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard let flag = value.bool else { throw invalid(key, "true or false", value) }
    return flag
  }

  func string(_ key: String) throws(ConfigurationError) -> String {
    guard let value = value(key) else { throw .missing(key: prefix + key, file: file, expected: "a string") }
    guard let text = value.string else { throw invalid(key, "a string", value) }
    return text
  }

  /// One integer or a list of them, as `eos_token_id` may be.
  func integers(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> [Int] {
    guard let value = value(key) else { return [] }
    let list = value.list ?? [value]
    let numbers = list.compactMap { $0.whole.flatMap { range.contains($0) ? $0 : nil } }
    guard numbers.count == list.count else {
      throw invalid(key, "an integer in \(range) or a list of them", value)
    }
    return numbers
  }

  /// One text or a list of them.
  func strings(_ key: String) throws(ConfigurationError) -> [String] {
    guard let value = value(key) else { return [] }
    let list = value.list ?? [value]
    let texts = list.compactMap(\.string)
    guard texts.count == list.count else { throw invalid(key, "a string or a list of them", value) }
    return texts
  }

  /// The object under a key; nil where it is absent or null.
  func section(_ key: String) throws(ConfigurationError) -> ConfigurationReader? {
    guard let value = value(key) else { return nil }
    guard case .object(let members) = value else { throw invalid(key, "an object", value) }
    return ConfigurationReader(members, file: file, prefix: prefix + key + ".")
  }

  func invalid(_ key: String, _ expected: String, _ found: JSONValue) -> ConfigurationError {
    invalid(key, expected, found.kind)
  }

  func invalid(_ key: String, _ expected: String, _ found: some CustomStringConvertible) -> ConfigurationError {
    .invalid(key: prefix + key, file: file, expected: expected, found: found.description)
  }
}

extension JSONValue {
  /// A whole number, however it is written; nil for everything else.
  fileprivate var whole: Int? { integer ?? real.flatMap { Int(exactly: $0) } }

  /// The elements of a list.
  fileprivate var list: [JSONValue]? {
    if case .array(let values) = self { values } else { nil }
  }
}
