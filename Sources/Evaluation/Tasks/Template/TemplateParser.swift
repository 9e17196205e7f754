internal import Formats
internal import Text

/// Reads what stands between the braces of a ``Template``.
struct TemplateParser {
  private let source: String
  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var depth = 0

  /// Lists in lists are refused beyond: recursion must not exhaust the stack.
  private static let deepest = 32

  init(_ source: String) {
    self.source = source
    scalars = Array(source.unicodeScalars)
  }

  /// Reads everything.
  mutating func whole() throws(TemplateError) -> TemplateExpression {
    let expression = try piped()
    guard index == scalars.count else { throw unexpected("'|' or the end") }
    return expression
  }

  private mutating func piped() throws(TemplateError) -> TemplateExpression {
    var expression = try primary()
    var count = 0
    while take("|") {
      count += 1
      guard count <= Self.deepest else {
        throw TemplateError(expected: "at most \(Self.deepest) filters behind each other", found: "more")
      }
      let name = try name("a filter")
      guard let filter = TemplateFilter(rawValue: name) else {
        let names = TemplateFilter.allCases.map(\.rawValue)
        let nearest = Spelling.nearest(to: name, in: names).map { "did you mean '\($0)'?" }
        throw TemplateError(
          expected: "a filter", found: "'\(name)'; \(nearest ?? "known: " + names.joined(separator: ", "))")
      }
      let arguments = take("(") ? try list(closing: ")") : []
      guard arguments.count == filter.arguments else {
        throw TemplateError(
          expected: "\(filter.arguments) values for the filter '\(name)'", found: "\(arguments.count)")
      }
      expression = .filtered(expression, filter, arguments)
    }
    return expression
  }

  private mutating func primary() throws(TemplateError) -> TemplateExpression {
    skipSpace()
    guard index < scalars.count else { throw unexpected("a field, a text or a list") }
    switch scalars[index] {
    case "[":
      index += 1
      return .list(try list(closing: "]"))
    case "'", "\"": return .literal(.string(try quoted()))
    case "0"..."9", "-": return .literal(.integer(try number()))
    default: break
    }
    let first = try name("a field")
    if first == "true" || first == "false" { return .literal(.bool(first == "true")) }
    var steps: [TemplateExpression.FieldStep] = [.key(first)]
    while true {
      if take(".") {
        steps.append(take("*") ? .each : .key(try name("a field")))
      } else if take("[") {
        steps.append(.element(try number()))
        guard take("]") else { throw unexpected("']'") }
      } else {
        return .field(steps)
      }
    }
  }

  private mutating func list(closing end: Unicode.Scalar) throws(TemplateError) -> [TemplateExpression] {
    var items: [TemplateExpression] = []
    if take(end) { return items }
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.deepest else {
      throw TemplateError(expected: "at most \(Self.deepest) lists in each other", found: "more")
    }
    repeat { items.append(try piped()) } while take(",")
    guard take(end) else { throw unexpected("',' or '\(end)'") }
    return items
  }

  private mutating func quoted() throws(TemplateError) -> String {
    let quote = scalars[index]
    var text = String.UnicodeScalarView()
    index += 1
    while index < scalars.count, scalars[index] != quote {
      if scalars[index] == "\\", index + 1 < scalars.count {
        index += 1
        let escapes: [Unicode.Scalar: Unicode.Scalar] = ["n": "\n", "t": "\t"]
        text.append(escapes[scalars[index]] ?? scalars[index])
      } else {
        text.append(scalars[index])
      }
      index += 1
    }
    guard index < scalars.count else { throw unexpected("\(quote)") }
    index += 1
    return String(text)
  }

  private mutating func number() throws(TemplateError) -> Int {
    skipSpace()
    let start = index
    if index < scalars.count, scalars[index] == "-" { index += 1 }
    while index < scalars.count, ("0"..."9").contains(scalars[index]) { index += 1 }
    guard let value = Int(String(String.UnicodeScalarView(scalars[start..<index]))) else {
      index = start
      throw unexpected("a whole number")
    }
    return value
  }

  /// Letters, digits and `_`; single spaces and `-` between them too, as in the heads of some tables.
  private mutating func name(_ what: String) throws(TemplateError) -> String {
    skipSpace()
    let isNamed = { (scalar: Unicode.Scalar) in scalar.properties.isAlphabetic || scalar == "_" }
    let start = index
    guard index < scalars.count, isNamed(scalars[index]) else { throw unexpected(what) }
    while index < scalars.count {
      let next = index + 1 < scalars.count ? scalars[index + 1] : " "
      let isInside = (scalars[index] == " " || scalars[index] == "-") && isNamed(next)
      guard isNamed(scalars[index]) || ("0"..."9").contains(scalars[index]) || isInside else { break }
      index += 1
    }
    return String(String.UnicodeScalarView(scalars[start..<index]))
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    skipSpace()
    guard index < scalars.count, scalars[index] == scalar else { return false }
    index += 1
    return true
  }

  private mutating func skipSpace() {
    while index < scalars.count, scalars[index] == " " { index += 1 }
  }

  private func unexpected(_ expected: String) -> TemplateError {
    TemplateError(
      expected: expected,
      found: index < scalars.count ? "'\(scalars[index])' in '{{\(source)}}'" : "the end of '{{\(source)}}'")
  }
}
