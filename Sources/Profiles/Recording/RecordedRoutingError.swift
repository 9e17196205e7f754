/// Why recorded routing cannot be read.
public enum RecordedRoutingError: Error, Equatable, CustomStringConvertible {
  /// One line that is wrong, by its number in the file, from 1.
  public struct BrokenLine: Sendable, Equatable {
    /// From 1.
    public let line: Int
    /// What was expected and found.
    public let problem: String
  }

  /// The file cannot be opened.
  case unreadable(file: String, found: String)
  /// The bytes are of another format; `advice` says what to do about it.
  case foreign(file: String, found: String, advice: String)
  /// No line records routing.
  case empty(file: String)
  /// The first broken lines, and how many there are in all.
  case broken(file: String, lines: [BrokenLine], total: Int)
  /// The header of an array, or its size, is not as it should be.
  case array(file: String, item: String, expected: String, found: String, advice: String)
  /// The first broken row of an array, and how many there are in all.
  case brokenRow(file: String, token: Int, layer: Int, problem: String, total: Int)
  /// The caller and the recording disagree on E.
  case experts(file: String, asked: Int, recorded: Int)
  /// Two files are of different models.
  case disagreement(file: String, other: String, item: String, expected: String, found: String)
  /// Every row of a layer is a start-up dummy.
  case onlyDummies(file: String, layer: Int, rows: Int)
  /// A profile that holds counts alone.
  case noSets(file: String, layer: Int)

  /// `where: expected …, found …; try …`, a line for each broken line.
  public var description: String {
    switch self {
    case .unreadable(let file, let found): "\(file): expected a readable JSONL file or .npy array, found \(found)"
    case .foreign(let file, let found, let advice):
      "\(file): expected JSON lines or a .npy array, found \(found); try \(advice)"
    case .empty(let file):
      "\(file): expected lines with layer, topk_ids and topk_weights, found none"
    case .broken(let file, let lines, let total):
      lines.map { "\(file):\($0.line): \($0.problem)" }.joined(separator: "\n")
        + (total > lines.count ? "\n\(file): \(total - lines.count) more broken lines" : "")
    case .array(let file, let item, let expected, let found, let advice):
      "\(file): \(item): expected \(expected), found \(found); try \(advice)"
    case .brokenRow(let file, let token, let layer, let problem, let total):
      "\(file): token \(token), layer \(layer): \(problem)"
        + (total > 1 ? " (\(total) broken rows in all)" : "")
        + "; try the right --experts, or leaving out tokens that were not recorded"
    case .experts(let file, let asked, let recorded):
      "\(file): num_experts: expected \(asked) as asked for, found \(recorded); try without --experts"
    case .disagreement(let file, let other, let item, let expected, let found):
      "\(file): \(item): expected \(expected) as in \(other), found \(found); try files of one model"
    case .onlyDummies(let file, let layer, let rows):
      "\(file): layer \(layer): expected routing of real text, found \(rows) rows that repeat a few sets "
        + "(each over 10 %: start-up dummies); try a longer recording"
    case .noSets(let file, let layer):
      "\(file): layer \(layer): expected recorded sets, found counts alone; try a recording token by token"
    }
  }
}
