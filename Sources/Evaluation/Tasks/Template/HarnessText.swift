/// What lm-evaluation-harness does to the text of single tasks.
///
/// - Source: lm_eval 0.4.13, `tasks/hellaswag/utils.py`, `tasks/wikitext/preprocess_wikitext.py`,
///   `tasks/mathqa/utils.py`, `tasks/super_glue/wsc/preprocess_wsc.py`, `utils.py`.
enum HarnessText {
  /// Cleans WikiHow's brackets; double spaces become one once, as there.
  static func hellaswag(_ text: String) -> String {
    let titles = text.stripped().substituting(" [title]", by: ". ")
    return Pattern(trusted: #"\[.*?\]"#).replaced(in: titles, by: "").substituting("  ", by: " ")
  }

  /// The five options of a line `a ) 38 , b ) 27.675 , …`.
  static func mathqa(_ options: String) -> [String] {
    Pattern(trusted: #"[abcd] \) .*?, |e \) .*?$"#).matches(in: options).map { match in
      var scalars = match.joined().unicodeScalars.dropFirst(4)
      while let last = scalars.last, last == " " || last == "," { scalars.removeLast() }
      return String(scalars)
    }
  }

  /// Puts stars around the pronoun: `text` at word `index` of a passage.
  static func span(_ passage: String, word index: Int, of text: String) -> String {
    let words = passage.unicodeScalars.split(whereSeparator: \.isPythonSpace).map { String($0) }
    let before = words.prefix(index).joined(separator: " ")
    let rest = passage.unicodeScalars.dropFirst(before.unicodeScalars.count + text.unicodeScalars.count + 1)
    return before + " *\(text)*" + String(rest)
  }

  /// Closes the gaps of a text whose words and marks stand apart.
  static func detokenize(_ text: String) -> String {
    let pairs = [(" n't", "n't"), (" )", ")"), ("( ", "("), ("\" ", "\""), (" \"", "\"")]
    let closed = pairs.reduce(text) { $0.substituting($1.0, by: $1.1) }
    return Pattern(trusted: " (['.,])").replaced(in: closed, by: "$1")
  }

  /// WikiText as it was before it was cut into tokens.
  static func wikitext(_ page: String) -> String {
    var text = page.substituting("s '", by: "s'")
    text = Pattern(trusted: "/' [0-9]/").replaced(in: text, by: "/'[0-9]/")
    let marks = [
      (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."), (" : ", ": "), (" ; ", "; "), (" . ", ". "), (" ! ", "! "),
      (" ? ", "? "), (" , ", ", "),
    ]
    text = marks.reduce(text) { $0.substituting($1.0, by: $1.1) }
    let brackets: [(Unicode.Scalar, String, String)] = [
      (")", #"\(\s*([^\)]*?)\s*\)"#, "($1)"), ("]", #"\[\s*([^\]]*?)\s*\]"#, "[$1]"),
      ("}", #"\{\s*([^}]*?)\s*\}"#, "{$1}"), ("\"", #""\s*([^"]*?)\s*""#, "\"$1\""),
      ("'", #"'\s*([^']*?)\s*'"#, "'$1'"),
    ]
    text = brackets.reduce(text) { text, bracket in
      // Behind the last closing mark nothing matches, and searching there for one takes time with the square of its
      // length.
      let scalars = text.unicodeScalars
      let end = scalars.lastIndex(of: bracket.0).map(scalars.index(after:)) ?? scalars.startIndex
      return Pattern(trusted: bracket.1).replaced(in: String(scalars[..<end]), by: bracket.2) + String(scalars[end...])
    }
    let rest = [
      ("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" \u{B0} ", "\u{B0}"), (" \n", "\n"), ("\n ", "\n"),
      (" N ", " 1 "), (" 's", "'s"),
    ]
    return rest.reduce(text) { $0.substituting($1.0, by: $1.1) }
  }
}
