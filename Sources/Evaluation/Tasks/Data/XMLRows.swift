internal import Formats
internal import Text

/// Rows of the XML that RTE and COPA are published in: a list of elements with attributes, each with elements of text.
///
/// Not a reader of XML as a whole: comments, CDATA and deeper elements are refused.
enum XMLRows {
  /// Reads a file.
  ///
  /// - Throws: ``TaskDataError`` where it is broken.
  static func read(_ text: String, file: String) throws(TaskDataError) -> [TaskRow] {
    var (rows, fields): ([TaskRow], [JSONValue.Member]) = ([], [])
    var (depth, line, rowLine, content) = (0, 1, 1, "")
    for (number, piece) in text.pieces("<").enumerated() {
      let start = line
      line += piece.utf8.count { $0 == UInt8(ascii: "\n") }
      if number == 0 { continue }
      let halves = piece.pieces(">")
      guard halves.count >= 2 else { throw .xml(file: file, line: start, found: "'<' without '>'") }
      let (tag, rest) = (halves[0], halves.dropFirst().joined(separator: ">"))
      if tag.hasPrefix("?") || tag.hasPrefix("!DOCTYPE") { continue }
      if tag.hasPrefix("!") || depth > 3 { throw .xml(file: file, line: start, found: "'<\(tag)>'") }
      if tag.hasPrefix("/") {
        let name = String(tag.dropFirst()).stripped()
        if depth == 3 { fields.append(.init(key: name, value: .string(decoded(content).stripped()))) }
        if depth == 2 {
          rows.append(TaskRow(value: .object(fields), line: rowLine))
          fields = []
        }
        depth -= 1
        continue
      }
      depth += 1
      if depth == 2 { (fields, rowLine) = (attributes(tag), start) }
      content = rest
      if tag.hasSuffix("/") { throw .xml(file: file, line: start, found: "'<\(tag)>'") }
    }
    guard depth == 0 else { throw .xml(file: file, line: line, found: "the end inside of an element") }
    return rows
  }

  private static func attributes(_ tag: String) -> [JSONValue.Member] {
    let parts = tag.pieces("\"")
    return stride(from: 0, to: parts.count - 1, by: 2).compactMap { index in
      let name = parts[index].unicodeScalars.split(whereSeparator: \.isPythonSpace).last.map { String($0) } ?? ""
      return name.hasSuffix("=") ? .init(key: String(name.dropLast()), value: .string(decoded(parts[index + 1]))) : nil
    }
  }

  private static func decoded(_ text: String) -> String {
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
    return names.reduce(text) { $0.substituting($1.0, by: $1.1) }
  }
}
