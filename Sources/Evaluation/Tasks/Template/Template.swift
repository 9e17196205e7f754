internal import Formats
internal import Text

/// Text with fields of a data row in it: `Question: {{goal | strip}}\nAnswer:`.
///
/// Between the braces stands a value and what is done to it, from left to right:
///
///     value  = field | 'text' | 3 | true | [value, value]
///     field  = name, then .name, [0] or .* (each element of a list)
///     filter = name, or name(value, …)           {{choices.label | index(answerKey)}}
///
/// A template that is one pair of braces keeps the value's kind (a list, a number); any other is text. `{# … #}` is
/// left out, and a `-` beside braces takes white space off the text there, as in Jinja. Statements (`{% … %}`) are
/// refused.
struct Template: Sendable, Equatable {
  /// Text as it stands, or a value of the row.
  enum Part: Sendable, Equatable {
    case text(String)
    case value(TemplateExpression)
  }

  /// As it was written.
  let source: String
  private let parts: [Part]

  /// Reads a template.
  ///
  /// - Throws: ``TemplateError`` where it is broken, has a statement or names a filter that does not exist.
  init(_ source: String) throws(TemplateError) {
    self.source = source
    var parts: [Part] = []
    var text = ""
    var trimsNext = false
    func endText() {
      if !text.isEmpty { parts.append(.text(text)) }
      text = ""
    }
    for piece in try TemplateScanner.pieces(source) {
      switch piece {
      case .text(let own): text += trimsNext ? own.stripped(end: false) : own
      case .comment(let marks), .expression(_, let marks):
        if marks.before { text = text.stripped(start: false) }
        if case .expression(let inner, _) = piece {
          endText()
          var parser = TemplateParser(inner)
          parts.append(.value(try parser.whole()))
        }
        trimsNext = marks.behind
        continue
      }
      trimsNext = false
    }
    endText()
    self.parts = parts
  }

  /// Whether there is nothing but text.
  var isLiteral: Bool {
    parts.allSatisfy { if case .text = $0 { true } else { false } }
  }

  /// The value for a row.
  func value(_ row: JSONValue) throws(TemplateError) -> JSONValue {
    if parts.count == 1, case .value(let expression) = parts[0] { return try expression.value(row) }
    return .string(try text(row))
  }

  /// The text for a row; numbers and truth values as Python prints them.
  func text(_ row: JSONValue) throws(TemplateError) -> String {
    var result = ""
    for part in parts {
      switch part {
      case .text(let text): result += text
      case .value(let expression): result += try Template.printed(try expression.value(row))
      }
    }
    return result
  }

  /// A value as Python prints it.
  static func printed(_ value: JSONValue) throws(TemplateError) -> String {
    switch value {
    case .string(let text): text
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .bool(let flag): flag ? "True" : "False"
    case .null, .array, .object: throw TemplateError(expected: "text or a number", found: value.kind)
    }
  }
}

/// A value of a row and what is done to it.
indirect enum TemplateExpression: Sendable, Equatable {
  case literal(JSONValue)
  case field([FieldStep])
  case list([TemplateExpression])
  case filtered(TemplateExpression, TemplateFilter, [TemplateExpression])

  /// One step from a row to a field.
  enum FieldStep: Sendable, Equatable {
    case key(String)
    case element(Int)
    case each
  }

  /// The value for a row.
  func value(_ row: JSONValue) throws(TemplateError) -> JSONValue {
    switch self {
    case .literal(let value): return value
    case .list(let items):
      var values: [JSONValue] = []
      for item in items { values.append(try item.value(row)) }
      return .array(values)
    case .filtered(let inner, let filter, let arguments):
      let value = try inner.value(row)
      var values: [JSONValue] = []
      for argument in arguments { values.append(try argument.value(row)) }
      return try filter(value, values)
    case .field(let steps): return try Self.follow(steps[...], from: row)
    }
  }

  private static func follow(_ steps: ArraySlice<FieldStep>, from value: JSONValue) throws(TemplateError) -> JSONValue {
    guard let step = steps.first else { return value }
    let rest = steps.dropFirst()
    switch (step, value) {
    case (.key(let key), .object(let members)):
      guard let found = value[key] else {
        let keys = members.map(\.key)
        let nearest = Spelling.nearest(to: key, in: keys).map { "; did you mean '\($0)'?" } ?? ""
        throw TemplateError(
          expected: "the field '\(key)'",
          found: (keys.isEmpty ? "none" : keys.map { "'\($0)'" }.joined(separator: ", ")) + nearest)
      }
      return try follow(rest, from: found)
    case (.element(let index), .array(let items)) where items.indices.contains(index):
      return try follow(rest, from: items[index])
    case (.each, .array(let items)):
      var values: [JSONValue] = []
      for item in items { values.append(try follow(rest, from: item)) }
      return .array(values)
    case (.key(let key), _): throw TemplateError(expected: "an object with the field '\(key)'", found: value.kind)
    case (.element(let index), _): throw TemplateError(expected: "a list with an element \(index)", found: value.kind)
    case (.each, _): throw TemplateError(expected: "a list", found: value.kind)
    }
  }
}

/// What is wrong with a template, or with a row that it is applied to.
struct TemplateError: Error, Equatable {
  /// In words, as in `the field 'goal'`.
  let expected: String
  /// In words.
  let found: String
}
