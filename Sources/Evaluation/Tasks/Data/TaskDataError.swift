/// Why a task's data cannot be used.
public enum TaskDataError: Error, Equatable, CustomStringConvertible {
  /// None of the task's files is in the folder.
  case missing(task: String, split: String, folder: String, expected: [String])
  /// A file of labels that does not fit the file beside it.
  case labels(file: String, expected: Int, found: Int)
  /// XML that is broken, or more than a list of elements.
  case xml(file: String, line: Int, found: String)
  /// The first row fits none of the layouts that the task knows.
  case layout(task: String, file: String, line: Int, layouts: [String], reason: String)
  /// A row that a template of the task cannot be applied to.
  case row(task: String, file: String, line: Int, key: String, expected: String, found: String)
  /// Too few rows for the examples that stand before a question; with them, there can be `most`.
  case shots(task: String, file: String, expected: Int, found: Int, most: Int)
  /// A prompt that leaves no room in the model's context.
  case room(task: String, file: String, line: Int, context: Int, expected: String, found: Int)
  /// Log-likelihoods that are infinite or not a number.
  case notFinite(task: String, file: String, line: Int)

  /// The message for a person.
  public var description: String {
    switch self {
    case .missing(let task, let split, let folder, let expected):
      "\(folder): expected data of \(task) (\(split)), one of \(expected.joined(separator: ", ")), found none; "
        + "try the folder that holds them"
    case .labels(let file, let expected, let found):
      "\(file): expected \(expected) lines, one for each row of the file beside it, found \(found); try the published pair"
    case .xml(let file, let line, let found):
      "\(file):\(line): expected a list of elements with text, found \(found); try a JSON export of the data"
    case .layout(let task, let file, let line, let layouts, let reason):
      "\(file):\(line): expected a row of \(task) in one of the layouts \(layouts.joined(separator: ", ")), found none "
        + "(\(reason)); try another file or a layout of your own under 'rows' in the task file"
    case .row(let task, let file, let line, let key, let expected, let found):
      "\(file):\(line): \(task): \(key): expected \(expected), found \(found); try mending or removing the row"
    case .shots(let task, let file, let expected, let found, let most):
      "\(file): expected at least \(expected) rows for the examples of \(task), found \(found); try \(most) shots"
    case .room(let task, let file, let line, let context, let expected, let found):
      "\(file):\(line): \(task): expected \(expected) in the model's context of \(context) tokens, found \(found); "
        + (found == 0
          ? "try a text that adds a token to the one before it, or without the row"
          : "try fewer shots, or without the row")
    case .notFinite(let task, let file, let line):
      "\(file):\(line): \(task): expected a finite log-likelihood, found NaN or infinity; try another checkpoint"
    }
  }
}
