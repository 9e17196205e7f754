/// Why data cannot be used.
public enum DataError: Error, Equatable, CustomStringConvertible {
  /// There is no such file.
  case missingFile(path: String, nearest: String?)
  /// A folder stands where a file or a pattern was expected.
  case folder(path: String)
  /// A pattern matches no file.
  case noMatch(pattern: String)
  /// The file is there but cannot be read.
  case unreadable(path: String, reason: String)
  /// The file holds nothing.
  case emptyFile(path: String)
  /// The file is not UTF-8.
  case encoding(path: String, line: Int)
  /// A line, or the JSON around it, is broken.
  case broken(path: String, line: Int, column: Int, reason: String)
  /// The file is no text, or one packed: what it is, and what makes text of it.
  case notText(path: String, found: String, hint: String)
  /// JSON values that lines do not part.
  case notLines(path: String, line: Int, found: String)
  /// A table that cannot be read as one.
  case table(path: String, line: Int, expected: String, found: String)
  /// A sample says something that no template has words for, and that would be lost.
  case unsupported(path: String, line: Int, place: String, expected: String, found: String, reason: String)
  /// A sample lacks a key.
  case missingColumn(
    path: String, line: Int, column: String, format: DataFormat, found: [String], nearest: String?)
  /// A value has the wrong type.
  case wrongType(path: String, line: Int, column: String, expected: String, found: String)
  /// A message of a conversation has a role that is not known.
  case unknownRole(path: String, line: Int, role: String, known: [String])
  /// `column_map` translates a column that the format does not have.
  case unknownColumn(column: String, format: DataFormat, nearest: String?)
  /// A mixing weight that is not a positive number.
  case weight(path: String, found: Double)
  /// A template is written in tokens that the tokenizer does not have.
  case templateToken(template: PromptTemplate, token: String)
  /// Every sample was dropped, or there was none.
  case nothingLeft(report: DatasetReport)
  /// A share that leaves nothing on one side.
  case split(share: Double, documents: Int)

  /// The error in words: where, what was expected, what was found, what to try.
  public var description: String {
    switch self {
    case .missingFile(let path, let nearest):
      "\(path): expected a file, found none"
        + (nearest.map { "; try '\($0)'" } ?? "; try a path relative to the recipe")
    case .folder(let path):
      "\(path): expected a file or a pattern, found a folder; try \(path)/*.jsonl"
    case .noMatch(let pattern):
      "\(pattern): expected files that match, found none; try the pattern in a shell"
    case .unreadable(let path, let reason):
      "\(path): expected a readable file, found: \(reason); try `ls -l \(path)`"
    case .emptyFile(let path):
      "\(path): expected samples, found an empty file; try another file"
    case .encoding(let path, let line):
      "\(path):\(line): expected UTF-8, found other bytes; try `iconv -t UTF-8`"
    case .broken(let path, let line, let column, let reason):
      "\(path):\(line):\(column): expected JSON, found \(reason); try mending or removing the line"
    case .notText(let path, let found, let hint):
      "\(path): expected text (JSON, CSV or plain) in UTF-8, found \(found); try \(hint)"
    case .notLines(let path, let line, let found):
      "\(path):\(line): expected a JSON list, or a value on every line, found \(found); try `jq -c . \(path)`"
    case .table(let path, let line, let expected, let found):
      "\(path):\(line): expected \(expected), found \(found); try mending the line"
    case .unsupported(let path, let line, let place, let expected, let found, _):
      "\(path):\(line): \(place): expected \(expected), found \(found); try the file without it, or data.on_unsupported: drop "
        + "to leave such samples out"
    case .missingColumn(let path, let line, let column, let format, let found, let nearest):
      "\(path):\(line): expected the key '\(column)' (format \(format.rawValue)), found "
        + (found.isEmpty ? "no keys" : found.map { "'\($0)'" }.joined(separator: ", "))
        + "; try column_map: {\(Self.column(column, format)): \(nearest ?? found.first ?? "key")}"
    case .wrongType(let path, let line, let column, let expected, let found):
      "\(path):\(line): \(column): expected \(expected), found \(found); try another format or column_map"
    case .unknownRole(let path, let line, let role, let known):
      "\(path):\(line): expected a role out of \(known.joined(separator: ", ")), found '\(role)'"
        + (Conversation.otherRoles[role].map { ", \($0), which no template here has words for" } ?? "")
        + "; try renaming the role, or data.on_unsupported: drop to leave such samples out"
    case .unknownColumn(let column, let format, let nearest):
      "column_map: expected a column of format \(format.rawValue) (\(format.columns.joined(separator: ", ")))"
        + ", found '\(column)'" + (nearest.map { "; try '\($0)'" } ?? "; try 'ours: the file's'")
    case .weight(let path, let found):
      "\(path): weight: expected a number above 0 and at most \(DataSource.mostWeight), found \(found); try 1"
    case .templateToken(let template, let token):
      "data.template: expected a tokenizer with the token '\(token)' for '\(template.rawValue)', found none"
        + "; try a template that the model was trained with, or alpaca"
    case .nothingLeft(let report):
      "\(report.sources.map(\.name).joined(separator: ", ")): expected at least one sample to train on, found none:\n"
        + "\(report)\ntry \(report.hint)"
    case .split(let share, let documents):
      "validation: expected a share that leaves documents on both sides, found \(share) of \(documents)"
        + "; try a share between 0 and 1, or a source of its own"
    }
  }

  /// Why a sample is left out where what is not supported is dropped, and what was found; `nil` for damage.
  var dropped: (reason: String, found: String)? {
    switch self {
    case .unsupported(_, _, let place, _, let found, let reason): (reason, "\(place): \(found)")
    case .unknownRole(_, _, let role, _): ("role '\(role)'", "'\(role)'")
    default: nil
    }
  }

  /// A column is known to `column_map` by our name; keys inside of a conversation are not in it.
  private static func column(_ column: String, _ format: DataFormat) -> String {
    format.columns.contains(column) ? column : (format.columns.first ?? column)
  }
}
