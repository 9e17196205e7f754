/// Why results of evaluations cannot be paired.
public enum PairingError: Error, Equatable, CustomStringConvertible {
  /// Where evaluations were expected is something else.
  case folder(path: String, expected: String, found: String, hint: String)
  /// A line of a samples file, or a results file, is damaged.
  case damaged(file: String, line: Int, expected: String, found: String)
  /// A value is NaN or infinite.
  case notFinite(file: String, line: Int, name: String, found: String)
  /// A question appears twice in one samples file.
  case repeated(file: String, line: Int, question: String)
  /// Two runs answered different questions under the same number.
  case differentData(task: String, question: String, run: String, other: String)
  /// Two runs have no task in common.
  case noCommonTask(run: String, tasks: [String], other: String, others: [String])
  /// Two runs have no question of a task in common.
  case noCommonQuestion(task: String, run: String, other: String)
  /// A task has too few common questions for an interval.
  case tooFew(task: String, found: Int)
  /// A task's runs have no metric in common.
  case noCommonMetric(task: String, run: String, other: String)
  /// Arms have different numbers of runs.
  case seeds(arm: String, expected: Int, found: Int)
  /// An arm's name is used twice, or is not one of the arms.
  case arm(place: String, expected: String, found: String, hint: String = Self.syntax)
  /// A bootstrap with too few draws for a 95 % interval.
  case draws(found: Int)

  /// The error in words: where, what was expected, what was found, and what to try.
  public var description: String {
    switch self {
    case .folder(let path, let expected, let found, let hint):
      "\(path): expected \(expected), found \(found); try \(hint)"
    case .damaged(let file, let line, let expected, let found):
      "\(file):\(line): expected \(expected), found \(found); try to evaluate again, or to take the file from its original"
    case .notFinite(let file, let line, let name, let found):
      "\(file):\(line): expected a finite \(name), found \(found); try to evaluate that question alone"
    case .repeated(let file, let line, let question):
      "\(file):\(line): expected every doc_id once, found \(question) twice; try a folder of its own for every run"
    case .differentData(let task, let question, let run, let other):
      "\(task): expected the same data in every run, found another doc_hash for question \(question) in \(run) than in "
        + "\(other); try to evaluate both on the same file"
    case .noCommonTask(let run, let tasks, let other, let others):
      "\(run): expected a task that \(other) has too, found \(Self.list(tasks)) against \(Self.list(others)); "
        + "try to evaluate both on the same tasks"
    case .noCommonQuestion(let task, let run, let other):
      "\(task): expected questions that all runs answered, found none common to \(run) and \(other); "
        + "try the same data and the same --limit for both"
    case .tooFew(let task, let found):
      "\(task): expected at least 2 questions that all runs answered, found \(found); try a larger --limit"
    case .noCommonMetric(let task, let run, let other):
      "\(task): expected a metric that all runs have, found none common to \(run) and \(other); "
        + "try the same version of the task for both"
    case .seeds(let arm, let expected, let found):
      "\(arm): expected 1 or \(expected) runs as of the other arms, found \(found); "
        + "try as many runs for each arm, in the same order of seeds"
    case .arm(let place, let expected, let found, let hint):
      "\(place): expected \(expected), found \(found); try \(hint)"
    case .draws(let found):
      "--draws: expected at least 100, found \(found); try 2000"
    }
  }

  /// How arms are written.
  public static let syntax = "NAME=FOLDER,FOLDER for the runs of an arm"

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", …" : "")
  }
}
