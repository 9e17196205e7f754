internal import Formats
internal import Text

/// Rows of a table with commas or tabs (RFC 4180: cells in quotes may hold separators, line ends and doubled quotes).
enum TableRows {
  /// Reads a table.
  ///
  /// - Throws: ``TaskDataError`` for a row with more or fewer cells than the first.
  static func read(_ text: String, file: String) throws(TaskDataError) -> [TaskRow] {
    let separator: Unicode.Scalar = text.prefix { !$0.isNewline }.contains("\t") ? "\t" : ","
    let lines = cells(text, separator)
    guard let head = lines.first?.cells else { return [] }
    for line in lines where line.cells.count != head.count {
      throw .cells(file: file, line: line.line, expected: head.count, found: line.cells.count)
    }
    let letters = lines.allSatisfy { line in ["A", "B", "C", "D", "E"].contains(line.cells.last) }
    if head.count >= 4, letters {
      return lines.map { line in
        let choices = line.cells[1..<head.count - 1].map { JSONValue.string($0) }
        return TaskRow(
          value: .object([
            .init(key: "question", value: .string(line.cells[0])), .init(key: "choices", value: .array(choices)),
            .init(key: "answer", value: .string(line.cells[head.count - 1])),
          ]), line: line.line)
      }
    }
    return lines.dropFirst().map { line in
      TaskRow(
        value: .object(zip(head, line.cells).map { .init(key: $0, value: .string($1)) }), line: line.line)
    }
  }

  /// Cells of every line that is not empty.
  private static func cells(_ text: String, _ separator: Unicode.Scalar) -> [(cells: [String], line: Int)] {
    var rows: [(cells: [String], line: Int)] = []
    var (row, cell): ([String], String.UnicodeScalarView) = ([], .init())
    var (isQuoted, wasQuote, line, first) = (false, false, 1, 1)
    func end() {
      row.append(String(cell))
      if row != [""] { rows.append((row, first)) }
      (row, cell, first) = ([], .init(), line)
    }
    for scalar in text.unicodeScalars {
      if scalar == "\n" { line += 1 }
      if isQuoted {
        if scalar == "\"" { (isQuoted, wasQuote) = (false, true) } else { cell.append(scalar) }
        continue
      }
      switch scalar {
      case "\"" where wasQuote:
        cell.append(scalar)
        isQuoted = true
      case "\"" where cell.isEmpty && separator == ",": isQuoted = true
      case separator:
        row.append(String(cell))
        cell = .init()
      case "\r": continue
      case "\n": end()
      default: cell.append(scalar)
      }
      wasQuote = false
    }
    if !row.isEmpty || !cell.isEmpty { end() }
    return rows
  }
}
