internal import Formats
internal import Text

/// What a template can do to a value. Those that change a text change each of a list of texts.
enum TemplateFilter: String, Sendable, CaseIterable {
  /// White space off both ends, off the beginning, off the end, as Python's methods of these names.
  case strip, lstrip, rstrip
  /// First letter upper case, all others lower: Python's `capitalize`.
  case capitalize
  /// The first letter in lower case.
  case lowerFirst = "lower_first"
  /// All but the last character.
  case dropLast = "drop_last"
  /// What stands before, or behind, the first or last place of a text.
  case before, after
  case beforeLast = "before_last"
  case afterLast = "after_last"
  /// A text cut at another; a list of texts put together.
  case split, join
  /// Place of a value in a list, from 0; element of a list.
  case index, item
  /// A list and another behind it.
  case concat
  /// A truth value or a text of digits as a number.
  case number
  /// As many letters as a list has elements: A, B, C, …; the elements behind them, one a line; and the way back.
  case letters, lettered, unlettered
  /// Elements that are not empty texts.
  case nonempty
  /// What lm-evaluation-harness does for single tasks (`utils.py` and `preprocess_*.py` of the task's folder).
  case hellaswag, wikitext, mathqa, detokenize
  /// `span(index, text)`: stars around the text at a word of the passage, for wsc.
  case span

  /// How many values stand in brackets behind the name.
  var arguments: Int {
    switch self {
    case .before, .after, .beforeLast, .afterLast, .split, .join, .index, .item, .concat: 1
    case .span: 2
    default: 0
    }
  }

  /// Applies the filter.
  func callAsFunction(_ value: JSONValue, _ arguments: [JSONValue]) throws(TemplateError) -> JSONValue {
    switch self {
    case .join:
      return .string(try texts(value).joined(separator: try text(arguments[0])))
    case .index:
      guard let place = try list(value).firstIndex(of: arguments[0]) else {
        throw TemplateError(
          expected: "one of \(try list(value).map(\.kind).joined(separator: ", "))", found: arguments[0].kind)
      }
      return .integer(place)
    case .item:
      let items = try list(value)
      guard let place = arguments[0].integer, items.indices.contains(place) else {
        throw TemplateError(expected: "an index below \(items.count)", found: arguments[0].kind)
      }
      return items[place]
    case .concat: return .array(try list(value) + list(arguments[0]))
    case .number: return .integer(try number(value))
    case .letters: return .array(try letters(list(value).count).map { .string($0) })
    case .lettered:
      let items = try texts(value)
      return .string(zip(try letters(items.count), items).map { "\($0). \($1)" }.joined(separator: "\n"))
    case .unlettered:
      return .array(try text(value).pieces("\n").map { .string(String($0.unicodeScalars.dropFirst(3))) })
    case .nonempty: return .array(try list(value).filter { $0 != .string("") })
    case .mathqa: return .array(try HarnessText.mathqa(text(value)).map { .string($0) })
    case .split: return .array(try text(value).pieces(try text(arguments[0])).map { .string($0) })
    default: break
    }
    if case .array(let items) = value {
      var results: [JSONValue] = []
      for item in items { results.append(.string(try changed(try text(item), arguments))) }
      return .array(results)
    }
    return .string(try changed(try text(value), arguments))
  }

  private func changed(_ text: String, _ arguments: [JSONValue]) throws(TemplateError) -> String {
    switch self {
    case .strip: return text.stripped()
    case .lstrip: return text.stripped(end: false)
    case .rstrip: return text.stripped(start: false)
    case .capitalize: return text.pythonCapitalized
    case .lowerFirst: return text.first.map { $0.lowercased() + text.dropFirst() } ?? ""
    case .dropLast: return String(String.UnicodeScalarView(text.unicodeScalars.dropLast()))
    case .hellaswag: return HarnessText.hellaswag(text)
    case .wikitext: return HarnessText.wikitext(text)
    case .detokenize: return HarnessText.detokenize(text)
    case .span:
      guard let index = arguments[0].integer, index >= 0 else {
        throw TemplateError(expected: "the number of a word, from 0", found: arguments[0].kind)
      }
      return HarnessText.span(text, word: index, of: try self.text(arguments[1]))
    default: break
    }
    let separator = try self.text(arguments[0])
    let pieces = text.pieces(separator)
    guard pieces.count > 1 else {
      throw TemplateError(expected: "a text with '\(separator)' in it", found: "'\(text)'")
    }
    switch self {
    case .before: return pieces[0]
    case .after: return pieces.dropFirst().joined(separator: separator)
    case .beforeLast: return pieces.dropLast().joined(separator: separator)
    case .afterLast: return pieces[pieces.count - 1]
    default: preconditionFailure("TemplateFilter: \(rawValue) is no filter of texts")
    }
  }

  private func text(_ value: JSONValue) throws(TemplateError) -> String {
    guard let text = value.string else { throw TemplateError(expected: "a text for '\(rawValue)'", found: value.kind) }
    return text
  }

  private func list(_ value: JSONValue) throws(TemplateError) -> [JSONValue] {
    guard case .array(let items) = value else {
      throw TemplateError(expected: "a list for '\(rawValue)'", found: value.kind)
    }
    return items
  }

  private func texts(_ value: JSONValue) throws(TemplateError) -> [String] {
    var result: [String] = []
    for item in try list(value) { result.append(try text(item)) }
    return result
  }

  private func number(_ value: JSONValue) throws(TemplateError) -> Int {
    switch value {
    case .integer(let number): return number
    case .bool(let flag): return flag ? 1 : 0
    case .string(let text):
      guard let number = Int(text.stripped()) else { fallthrough }
      return number
    default: throw TemplateError(expected: "a whole number", found: value.kind)
    }
  }

  private func letters(_ count: Int) throws(TemplateError) -> [String] {
    guard count <= 26 else { throw TemplateError(expected: "at most 26 elements", found: "\(count)") }
    return (0..<count).map { String(UnicodeScalar(UInt8(ascii: "A") + UInt8($0))) }
  }
}
