internal import Files
internal import Formats
internal import Checkpoint
public import Foundation
public import Models
public import Text

/// Results in the layout of lm-evaluation-harness: `results_<time>.json`, and `samples_<task>_<time>.jsonl` beside it.
///
/// What is ours alone stands under the key `occult`: the routing, what it would send, files, cut prompts, close
/// choices.
///
/// - Source: lm_eval 0.4.13, `loggers/evaluation_tracker.py`, `evaluator.py`.
public struct HarnessFiles: Sendable {
  let evaluation: TaskEvaluation
  /// Path of the model, and facts about it.
  let model: Model
  /// The run as `occult evaluate` describes it otherwise.
  public let result: EvaluationResult
  /// Settings of the run.
  let settings: Settings

  /// Facts about the model that stand in the results.
  public struct Model: Sendable {
    let path: String
    let parameters: Int
    let maxLength: Int
    let endToken: (piece: String, id: Int)

    /// Facts about a model.
    ///
    /// - Parameters:
    ///   - path: Its path.
    ///   - model: The model.
    ///   - tokenizer: Its tokenizer.
    ///   - endOfText: Token that ends a text.
    public init(path: String, model: LanguageModel, tokenizer: Tokenizer, endOfText: Int32) {
      self.path = path
      parameters = model.configuration.parameterCount
      maxLength = model.configuration.maxPositions
      endToken = (tokenizer.piece(endOfText) ?? "", Int(endOfText))
    }
  }

  /// How the run was asked for.
  public struct Settings: Sendable {
    let limit: Int?
    let batchTokens: Int
    let began: Date
    let seconds: Double
    let draws: Int

    /// Settings of a run.
    ///
    /// - Parameters:
    ///   - limit: Most documents of a task; nil for all.
    ///   - batchTokens: Most tokens in a batch.
    ///   - began: When it began.
    ///   - seconds: How long it took.
    ///   - draws: Draws of a bootstrap, where a standard error takes one.
    public init(limit: Int?, batchTokens: Int, began: Date, seconds: Double, draws: Int = 100_000) {
      (self.limit, self.batchTokens, self.began, self.seconds, self.draws) = (limit, batchTokens, began, seconds, draws)
    }
  }

  /// The files of an evaluation.
  ///
  /// - Parameters:
  ///   - evaluation: What was scored.
  ///   - model: The model.
  ///   - result: Routing, communication and whatever else was measured, for the key `occult`.
  ///   - settings: How the run was asked for.
  public init(_ evaluation: TaskEvaluation, model: Model, result: EvaluationResult, settings: Settings) {
    (self.evaluation, self.model, self.result, self.settings) = (evaluation, model, result, settings)
    figures = Dictionary(
      uniqueKeysWithValues: evaluation.tasks.map { ($0.task.definition.name, $0.figures(draws: settings.draws)) })
  }

  /// Figures of every task, by name.
  let figures: [String: [TaskFigure]]

  /// Groups of the tasks that were scored, outermost first, each with its tasks.
  var groups: [(group: TaskGroup, parent: String?, tasks: [ScoredTask])] {
    var groups: [(group: TaskGroup, parent: String?, tasks: [ScoredTask])] = []
    for task in evaluation.tasks {
      for (depth, group) in task.task.definition.groups.enumerated() {
        if let place = groups.firstIndex(where: { $0.group == group }) {
          groups[place].tasks.append(task)
        } else {
          let parent = depth == 0 ? nil : task.task.definition.groups[depth - 1].name
          groups.append((group, parent, [task]))
        }
      }
    }
    return groups
  }

  /// Figures of a group: those that all its tasks have.
  func figures(of tasks: [ScoredTask]) -> [TaskFigure] {
    guard let first = tasks.first else { return [] }
    return (figures[first.task.definition.name] ?? []).compactMap { example in
      let parts = tasks.compactMap { task in
        figures[task.task.definition.name]?.first { $0.metric == example.metric && $0.filter == example.filter }
          .map { (figure: $0, count: task.documents.count) }
      }
      guard parts.count == tasks.count, example.metric.isHigherBetter else { return nil }
      let (value, error) = TaskScores.pooled(parts)
      return TaskFigure(metric: example.metric, filter: example.filter, value: value, standardError: error)
    }
  }

  /// A moment as it stands in the names of files: `2026-01-31T12-00-00Z`.
  public static func time(_ date: Date) -> String {
    ISO8601DateFormatter().string(from: date).replacing(":", with: "-")
  }

  /// Writes all files.
  ///
  /// - Parameter output: They go into a folder of the model's name in it, the results last: without them an evaluation
  ///   is not one.
  /// - Returns: The path of the results.
  /// - Throws: `FolderError`, `FileError`; `EncodingError` for figures that are not finite.
  public func write(to output: EvaluationOutput) throws -> String {
    let (place, time) = (output.folder + "/" + Self.sanitized(model.path), output.time)
    try OutputFolder.makeFolders(place)
    try result.writeSamples(to: place, time: time)
    var hashes: [JSONValue.Member] = []
    for task in evaluation.tasks {
      let samples = HarnessSamples(task)
      try samples.write(to: "\(place)/samples_\(task.task.definition.name)_\(time).jsonl")
      hashes.append(.init(key: task.task.definition.name, value: .string(samples.hash)))
    }
    let path = "\(place)/results_\(time).json"
    try HarnessSamples.write(try results(hashes).text(indent: 2), to: path)
    return path
  }

  /// The results as one JSON object, without the samples' hashes.
  public func json() throws -> String { try results([]).text(indent: 2) }

  /// Characters that may not stand in a folder's name, as the harness replaces them.
  static func sanitized(_ name: String) -> String {
    Pattern(trusted: #"["<>:/|\\?*\[\]]+"#).replaced(in: name, by: "__")
  }
}
