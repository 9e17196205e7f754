internal import Formats
internal import Foundation
internal import Text

/// One row of a task's data.
struct TaskRow: Sendable, Equatable {
  /// Its fields as the file has them.
  var value: JSONValue
  /// Line on which it begins, from 1.
  let line: Int
}

/// A file of rows; how it is written is told from its content.
///
/// - JSON: a list of objects, or an object a line. The lines of `NAME-labels.lst` beside `NAME.jsonl` become the field
///   `label`.
/// - XML: elements with attributes, and elements of text inside, as in RTE and COPA; each of both becomes a field.
/// - A table with commas or, where its first line has some, tabs. Its first line names the fields, unless every row is
///   five or more cells and a letter, as in MMLU's own files: then fields are `question`, `choices` and `answer`.
/// - WikiText: each article becomes the field `page`.
/// - Other text: each line becomes the field `text`; where the file's name has `correct` in it and a file with `wrong`
///   in that place lies beside it, the lines of the two become the fields `correct` and `wrong`.
struct TaskRows: Sendable, Equatable {
  /// The file.
  let file: String
  /// Its rows in order.
  let rows: [TaskRow]

  /// Reads a file.
  ///
  /// - Throws: `DataError`, ``TaskDataError``.
  init(file: String) throws {
    let bytes = try JSONRows.bytes(of: file)
    self.file = file
    switch bytes.first(where: { $0 > 0x20 }) {
    case _ where file.hasSuffix(".csv") || file.hasSuffix(".tsv"):
      rows = try TableRows.read(bytes, file: file)
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      var rows: [TaskRow] = []
      try JSONRows.read(bytes, file: file) { (value, line) throws(DataError) in
        guard case .object = value else {
          throw .wrongType(path: file, line: line, column: "row", expected: "an object", found: value.kind)
        }
        rows.append(TaskRow(value: value, line: line))
      }
      self.rows = try Self.labelled(rows, beside: file)
    case UInt8(ascii: "<"):
      rows = try XMLRows.read(String(decoding: bytes, as: UTF8.self), file: file)
    default:
      let text = String(decoding: bytes, as: UTF8.self).substituting("\r\n", by: "\n")
      if WikiPages.isWikiText(text) {
        rows = WikiPages.pages(text).map {
          TaskRow(value: .object([.init(key: "page", value: .string($0.page))]), line: $0.line)
        }
      } else {
        rows = try Self.lines(text, file)
      }
    }
    guard !rows.isEmpty else { throw DataError.emptyFile(path: file) }
  }

  /// A row a line, of one file or a pair.
  private static func lines(_ text: String, _ file: String) throws -> [TaskRow] {
    let lines = text.pieces("\n")
    let name = (file as NSString).lastPathComponent
    let other = (file as NSString).deletingLastPathComponent + "/" + name.substituting("correct", by: "wrong")
    guard name.contains("correct"), FileManager.default.fileExists(atPath: other) else {
      return lines.enumerated().filter { !$0.element.isEmpty }.map {
        TaskRow(value: .object([.init(key: "text", value: .string($0.element))]), line: $0.offset + 1)
      }
    }
    let wrong = String(decoding: try JSONRows.bytes(of: other), as: UTF8.self).substituting("\r\n", by: "\n").pieces(
      "\n")
    guard wrong.count == lines.count else {
      throw TaskDataError.labels(file: other, expected: lines.count, found: wrong.count)
    }
    return zip(lines, wrong).enumerated().filter { !$0.element.0.isEmpty }.map { index, pair in
      TaskRow(
        value: .object([.init(key: "correct", value: .string(pair.0)), .init(key: "wrong", value: .string(pair.1))]),
        line: index + 1)
    }
  }

  /// Rows with the labels of a file beside theirs, if there is one.
  private static func labelled(_ rows: [TaskRow], beside file: String) throws -> [TaskRow] {
    let path = (file as NSString).deletingPathExtension + "-labels.lst"
    guard FileManager.default.fileExists(atPath: path) else { return rows }
    let labels = String(decoding: try JSONRows.bytes(of: path), as: UTF8.self).split(whereSeparator: \.isNewline)
    guard labels.count == rows.count else {
      throw TaskDataError.labels(file: path, expected: rows.count, found: labels.count)
    }
    return zip(rows, labels).map { row, label in
      guard case .object(let members) = row.value, row.value["label"] == nil else { return row }
      let value = Int(label).map { JSONValue.integer($0) } ?? .string(String(label))
      return TaskRow(value: .object(members + [.init(key: "label", value: value)]), line: row.line)
    }
  }
}

/// WikiText as its files have it: articles one behind the other.
enum WikiPages {
  /// Whether the first line with text is the heading of an article.
  static func isWikiText(_ text: String) -> Bool {
    text.pieces("\n").first { !$0.stripped().isEmpty }.map { isHeading($0) } ?? false
  }

  /// Articles with the line each begins on.
  ///
  /// - Source: `wikitext_document_level.py` of the hub's EleutherAI/wikitext_document_level.
  static func pages(_ text: String) -> [(page: String, line: Int)] {
    var pages: [(page: String, line: Int)] = []
    var (lines, first): ([String], Int) = ([], 1)
    for (index, line) in text.pieces("\n").enumerated() {
      if isHeading(line) {
        let page = lines.joined(separator: "\n")
        if !page.stripped().isEmpty { pages.append((page, first)) }
        (lines, first) = ([], index + 1)
      }
      lines.append(line)
    }
    return pages + [(lines.joined(separator: "\n"), first)]
  }

  /// `= Title =`, and no heading inside of an article.
  private static func isHeading(_ line: String) -> Bool {
    let line = line.substituting("= = =", by: "===").substituting("= =", by: "==").stripped()
    return line.hasPrefix("= ") && line.hasSuffix(" =")
  }
}
