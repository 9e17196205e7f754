/// Cuts the text of a template at its braces.
enum TemplateScanner {
  /// Whether white space before and behind a pair of braces is taken away.
  struct Marks: Equatable {
    var before = false
    var behind = false
  }

  /// A part of a template.
  enum Piece: Equatable {
    case text(String)
    /// What stands between `{{` and `}}`.
    case expression(String, Marks)
    case comment(Marks)
  }

  /// The parts in order.
  ///
  /// - Throws: ``TemplateError`` for braces that nothing closes and for statements.
  static func pieces(_ source: String) throws(TemplateError) -> [Piece] {
    var pieces: [Piece] = []
    var rest = source.unicodeScalars[...]
    while let (start, mark) = opening(rest) {
      let text = String(rest[..<start])
      if !text.isEmpty { pieces.append(.text(text)) }
      let inner = rest[rest.index(start, offsetBy: 2)...]
      guard mark != "%" else {
        throw TemplateError(
          expected: "text, '{{ … }}' and '{# … #}'",
          found: "the statement '\(shown(rest[start...], upTo: "%}"))', which this version does not carry out")
      }
      let close = mark == "{" ? "}}" : "#}"
      guard let end = (mark == "{" ? closing(inner, close, quotes: true) : nil) ?? closing(inner, close, quotes: false)
      else {
        throw TemplateError(
          expected: "'\(close)' behind each '{\(mark)'", found: "'\(shown(rest[start...], upTo: nil))'")
      }
      var body = inner[..<end]
      var marks = Marks()
      if let first = body.first, first == "-" || first == "+" {
        marks.before = first == "-"
        body = body.dropFirst()
      }
      if let last = body.last, last == "-" || last == "+" {
        marks.behind = last == "-"
        body = body.dropLast()
      }
      pieces.append(mark == "{" ? .expression(String(body), marks) : .comment(marks))
      rest = inner[inner.index(end, offsetBy: 2)...]
    }
    if !rest.isEmpty { pieces.append(.text(String(rest))) }
    return pieces
  }

  /// Whether a text has no braces that mean something.
  static func isLiteral(_ text: String) -> Bool { opening(text.unicodeScalars[...]) == nil }

  /// The first `{{`, `{%` or `{#`, and its second letter.
  private static func opening(_ text: Substring.UnicodeScalarView) -> (String.Index, Unicode.Scalar)? {
    var index = text.startIndex
    while index < text.endIndex {
      let next = text.index(after: index)
      if text[index] == "{", next < text.endIndex, ["{", "%", "#"].contains(text[next]) { return (index, text[next]) }
      index = next
    }
    return nil
  }

  /// Where a mark of two letters stands, outside of quotes.
  private static func closing(_ text: Substring.UnicodeScalarView, _ mark: String, quotes: Bool) -> String.Index? {
    let marks = Array(mark.unicodeScalars)
    var quote: Unicode.Scalar?
    var index = text.startIndex
    while index < text.endIndex {
      let (scalar, next) = (text[index], text.index(after: index))
      if let open = quote {
        if scalar == "\\", next < text.endIndex { index = next } else if scalar == open { quote = nil }
      } else if quotes, scalar == "'" || scalar == "\"" {
        quote = scalar
      } else if scalar == marks[0], next < text.endIndex, text[next] == marks[1] {
        return index
      }
      index = text.index(after: index)
    }
    return nil
  }

  /// The beginning of a text for a message: up to a mark, or at most 60 letters.
  private static func shown(_ text: Substring.UnicodeScalarView, upTo mark: String?) -> String {
    let whole = String(text)
    let pieces = mark.map { whole.pieces($0) } ?? [whole]
    let first = pieces.count > 1 ? pieces[0] + (mark ?? "") : whole
    return first.count > 60 ? first.prefix(60) + "…" : first
  }
}
