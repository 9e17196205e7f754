internal import Formats
public import Checkpoint
public import ExpertParallel
public import Foundation
public import Models
internal import Text
public import Training

/// Tasks that are read once and scored for one model after another.
///
///     let suite = try TaskSuite(recipe, files)
///     let scored = try suite.score(model, routing: routing)
///     try suite.files(scored, of: model, at: path, result, began: date).write(to: output)
public struct TaskSuite: Sendable {
  /// The tasks with their data.
  public let set: TaskSet
  private let tokenizer: Tokenizer
  private let endOfText: Int32
  private let batchTokens: Int
  private let limit: Int?
  /// What a person should know of the tokenizer's files, each complete.
  public var notes: [String] { tokenizer.notes }

  /// Tasks for models with the tokenizer of `files`.
  ///
  /// - Parameters:
  ///   - set: The tasks.
  ///   - files: A model.
  ///   - batchTokens: Most tokens in a batch.
  ///   - limit: Most documents of a task, as it was asked for; nil for all.
  /// - Throws: `TokenizerError`, ``ModelTextError``.
  public init(_ set: TaskSet, _ files: ModelFiles, batchTokens: Int, limit: Int?) throws {
    (tokenizer, endOfText) = try TrainingData.tokenizer(of: files)
    (self.set, self.batchTokens, self.limit) = (set, batchTokens, limit)
  }

  /// The tasks of a recipe; nil where it has none.
  ///
  /// - Parameters:
  ///   - recipe: Its `tasks`.
  ///   - files: The base model.
  /// - Throws: As ``TaskSet``, and as above.
  public init?(_ recipe: Recipe, _ files: ModelFiles) throws {
    let tasks = recipe.tasks
    if tasks.names.isEmpty { return nil }
    let set = try TaskSet(
      tasks.names, catalog: try TaskCatalog(folder: tasks.folder), folder: tasks.data, limit: tasks.limit,
      shots: tasks.shots)
    try self.init(set, files, batchTokens: recipe.schedule.batchTokens, limit: tasks.limit)
  }

  /// Scores a model, under the rules that it has.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - routing: Placement by which communication is counted; nil for none.
  ///   - ranks: The processes that share the model's experts.
  ///   - progress: Told the documents done, and the task at work; what it throws ends the scoring.
  /// - Returns: What it scored.
  /// - Throws: ``TaskDataError``.
  public func score(
    _ model: LanguageModel, routing: RoutingSettings?, ranks: any Communicator = SingleProcess(),
    progress: (Int, String) throws -> Void = { _, _ in }
  ) throws -> TaskEvaluation {
    try TaskEvaluation(
      set, model: model, tokenizer: tokenizer, endOfText: endOfText, routing: routing, batchTokens: batchTokens,
      ranks: ranks, progress: progress)
  }

  /// The files of an evaluation.
  ///
  /// - Parameters:
  ///   - evaluation: What ``score(_:routing:ranks:progress:)`` found.
  ///   - model: The model.
  ///   - path: Its path.
  ///   - result: Routing and whatever else was measured.
  ///   - began: When it began.
  /// - Returns: Files that can be written.
  public func files(
    _ evaluation: TaskEvaluation, of model: LanguageModel, at path: String, _ result: EvaluationResult, began: Date
  ) -> HarnessFiles {
    var result = result
    if result.communication == nil { result.communication = evaluation.communication }
    return HarnessFiles(
      evaluation, model: .init(path: path, model: model, tokenizer: tokenizer, endOfText: endOfText), result: result,
      settings: .init(limit: limit, batchTokens: batchTokens, began: began, seconds: result.seconds))
  }

  /// What `occult finetune` calls on the way.
  ///
  /// - Parameter ranks: The processes that train together.
  /// - Returns: A scoring of any model.
  public func scoring(_ ranks: any Communicator) -> TaskScoring {
    { model, routing, isAbandoned in
      try score(model, routing: routing, ranks: ranks) { _, _ in
        if ranks.agreeToStop(isAbandoned()) { throw MeasuringAbandoned() }
      }.figures
    }
  }

  /// Identity of all that is asked.
  var identity: String {
    var hash = StableHash()
    for task in set.tasks {
      hash.combine(task.definition.name)
      for document in task.documents {
        hash.combine(document.row.text())
        for request in document.requests { hash.combine(request.context + request.continuation) }
      }
    }
    return hash.hexadecimal
  }
}

extension TaskEvaluation {
  /// Every figure by name: `piqa/acc`, with the filter of a generated answer behind it,
  /// `gsm8k/exact_match,strict-match`.
  public var figures: [String: Double] {
    var figures: [String: Double] = [:]
    for task in tasks {
      for figure in task.figures(draws: 0) {
        let filter = figure.filter == "none" ? "" : "," + figure.filter
        figures["\(task.task.definition.name)/\(figure.metric.rawValue)\(filter)"] = figure.value
      }
    }
    return figures
  }
}
