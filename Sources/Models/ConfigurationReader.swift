internal import Formats

/// A configuration that cannot be read: where, what was expected, what was found.
public enum ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The text is no JSON object.
  case notAnObject(file: String, reason: String)
  /// A key that matters is missing.
  case missing(key: String, file: String, expected: String)
  /// A value of the wrong type or out of range.
  case invalid(key: String, file: String, expected: String, found: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .notAnObject(let file, let reason):
      "\(file): expected a JSON object with the model's configuration, found \(reason); try the config.json of the model"
    case .missing(let key, let file, let expected):
      "\(file): \(key): expected \(expected), found nothing; class defaults are not used: add the key"
    case .invalid(let key, let file, let expected, let found):
      "\(file): \(key): expected \(expected), found \(found)"
    }
  }
}

/// Typed access to a `config.json`: a key that matters is never silently defaulted.
struct ConfigurationReader {
  /// An object.
  let json: JSONValue
  let file: String
  var prefix = ""

  /// Largest number that float32 has room to compute with.
  private static let largest = 1e30

  init(json text: String, file: String) throws(ConfigurationError) {
    var parser = JSONParser(Array(text.utf8))
    do throws(JSONError) {
      json = try parser.document()
    } catch {
      throw .notAnObject(file: file, reason: "\(error.reason) in line \(error.line), column \(error.column)")
    }
    guard case .object = json else { throw .notAnObject(file: file, reason: json.kind) }
    self.file = file
  }

  private init(json: JSONValue, file: String, prefix: String) {
    (self.json, self.file, self.prefix) = (json, file, prefix)
  }

  /// The value under a key; nil where it is absent or null.
  func value(_ key: String) -> JSONValue? { json[key].flatMap { $0 == .null ? nil : $0 } }

  func int(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
    guard let value = try optionalInt(key, in: range) else {
      throw .missing(key: prefix + key, file: file, expected: "an integer in \(range)")
    }
    return value
  }

  func optionalInt(_ key: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let integer = integer(value, in: range) else { throw invalid(key, "an integer in \(range)", value) }
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
    let list = if case .array(let values) = value { values } else { [value] }
    let numbers = list.compactMap { integer($0, in: range) }
    guard numbers.count == list.count else {
      throw invalid(key, "an integer in \(range) or a list of them", value)
    }
    return numbers
  }

  /// A whole number of a range, however it is written; nil for everything else.
  private func integer(_ value: JSONValue, in range: ClosedRange<Int>) -> Int? {
    guard let integer = value.integer ?? value.real.flatMap({ Int(exactly: $0) }), range.contains(integer) else {
      return nil
    }
    return integer
  }

  /// The object under a key; nil where it is absent or null.
  func section(_ key: String) throws(ConfigurationError) -> ConfigurationReader? {
    guard let value = value(key) else { return nil }
    guard case .object = value else { throw invalid(key, "an object", value) }
    return ConfigurationReader(json: value, file: file, prefix: prefix + key + ".")
  }

  func invalid(_ key: String, _ expected: String, _ found: JSONValue) -> ConfigurationError {
    invalid(key, expected, found.kind)
  }

  func invalid(_ key: String, _ expected: String, _ found: some CustomStringConvertible) -> ConfigurationError {
    .invalid(key: prefix + key, file: file, expected: expected, found: found.description)
  }
}
