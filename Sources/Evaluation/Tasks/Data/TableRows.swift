internal import Formats
internal import Text

/// Rows of a table with commas or tabs.
enum TableRows {
  /// Reads a table, whose first line names the fields, unless every row is five or more cells and a letter, as in
  /// MMLU's own files.
  ///
  /// - Throws: `DataError` for a row with more or fewer cells than the first, and for a name that is repeated.
  static func read(_ bytes: [UInt8], file: String) throws(DataError) -> [TaskRow] {
    let records = try JSONRows.records(bytes, file: file) { !isNameless($0) }
    guard let head = records.first?.cells else { return [] }
    if isNameless(records) {
      return records.map { record in
        let choices = record.cells[1..<head.count - 1].map { JSONValue.string($0) }
        return TaskRow(
          value: .object([
            .init(key: "question", value: .string(record.cells[0])), .init(key: "choices", value: .array(choices)),
            .init(key: "answer", value: .string(record.cells[head.count - 1])),
          ]), line: record.line)
      }
    }
    return records.dropFirst().map { record in
      TaskRow(value: .object(zip(head, record.cells).map { .init(key: $0, value: .string($1)) }), line: record.line)
    }
  }

  private static func isNameless(_ records: [DelimitedText.Record]) -> Bool {
    guard let head = records.first, head.cells.count >= 4 else { return false }
    return records.allSatisfy { record in ["A", "B", "C", "D", "E"].contains(record.cells.last) }
  }
}
