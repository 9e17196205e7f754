/// Columns of text: aligned for a terminal, as Markdown, or as comma-separated values.
public struct TextTable: Sendable {
  /// Heads of the columns; those that begin with `>` are aligned to the right.
  public let heads: [String]
  /// The lines, one field a column.
  public var rows: [[String]]

  /// A table, by default without any line yet.
  public init(heads: [String], rows: [[String]] = []) {
    self.heads = heads
    self.rows = rows
  }

  private var isRight: [Bool] { heads.map { $0.hasPrefix(">") } }

  private var titles: [String] { zip(heads, isRight).map { $1 ? String($0.dropFirst()) : $0 } }

  /// The lines for a terminal, two spaces between columns.
  public var text: String {
    let isRight = isRight
    let titles = titles
    let all = titles.allSatisfy(\.isEmpty) ? rows : [titles] + rows
    let widths = titles.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      let cells = row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        return isRight[column] ? padding + row[column] : row[column] + padding
      }
      return cells.joined(separator: "  ").replacing(/\ +$/, with: "")
    }.joined(separator: "\n")
  }

  /// The table in Markdown.
  public var markdown: String {
    func line(_ fields: [String]) -> String {
      "| " + fields.map(Markdown.text).joined(separator: " | ") + " |"
    }
    let rule = "|" + isRight.map { $0 ? " ---: |" : " --- |" }.joined()
    return ([line(titles), rule] + rows.map(line)).joined(separator: "\n")
  }

  /// Comma-separated values with a line of heads, fields quoted where they have to be.
  ///
  /// - Source: RFC 4180, with `\n` at the end of lines.
  public var csv: String {
    func field(_ text: String) -> String {
      text.unicodeScalars.contains { "\",\r\n".unicodeScalars.contains($0) }
        ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
    return ([titles] + rows).map { $0.map(field).joined(separator: ",") + "\n" }.joined()
  }
}
