internal import Host
public import ExpertParallel
internal import Foundation
public import Models
internal import Tensors
public import Text
internal import Training

/// What a model scored on a set of tasks.
public struct TaskEvaluation: Sendable {
  let tasks: [ScoredTask]
  /// Tasks of a group whose data was not there.
  let missing: [String]
  /// Communication over all layers; nil without a placement.
  public let communication: CommunicationFigures?
  /// Tokens that the model read: shared beginnings count once.
  public let tokens: Int

  /// Documents whose prompt did not fit into the model's context and was cut at the left, by task, where there are any.
  public var truncated: [(task: String, documents: Int)] {
    tasks.map { ($0.task.definition.name, $0.documents.count { $0.isTruncated }) }.filter { $0.1 > 0 }
  }

  /// Scores every document.
  ///
  /// - Parameters:
  ///   - set: The tasks.
  ///   - model: Its rules decide which experts are used.
  ///   - tokenizer: The model's.
  ///   - endOfText: Token that ends a text.
  ///   - routing: Placement by which communication is counted; nil for none.
  ///   - batchTokens: Most tokens in a batch.
  ///   - ranks: The processes that share the model's experts; each scores its part of the documents.
  ///   - progress: Told the documents done, and the task at work, on all ranks alike; what it throws ends the scoring.
  /// - Throws: ``TaskDataError`` for a prompt that leaves no room, and for log-likelihoods that are not finite.
  public init(
    _ set: TaskSet, model: LanguageModel, tokenizer: Tokenizer, endOfText: Int32, routing: RoutingSettings?,
    batchTokens: Int, ranks: any Communicator = SingleProcess(), progress: (Int, String) throws -> Void = { _, _ in }
  ) throws {
    let model = model.untracked()
    var meter = routing.map { CommunicationMeter($0.placement, topK: model.configuration.topK) }
    let encoder = RequestEncoder(tokenizer, endOfText: endOfText, maxLength: model.configuration.maxPositions)
    var (scored, done, tokens): ([ScoredTask], Int, Int) = ([], 0, 0)
    for task in set.tasks {
      let name = task.definition.name
      try progress(done, name)
      Activity.note("task \(name)")
      let before = done
      if task.definition.output == .generate {
        var answers = GreedyAnswers(model, tokenizer, batchTokens: batchTokens, meter: meter, ranks: ranks)
        scored.append(try Self.generate(task, encoder, &answers) { try progress(before + $0, name) })
        meter = answers.meter
      } else {
        var scorer = SharedPrefixScorer(model, batchTokens: batchTokens, meter: meter, ranks: ranks)
        scored.append(try Self.score(task, encoder, &scorer) { try progress(before + $0, name) })
        meter = scorer.meter
        tokens += scorer.tokensRead
      }
      done += task.documents.count
      try progress(done, name)
    }
    tasks = scored
    missing = set.missing
    self.tokens = tokens
    communication = meter.map {
      CommunicationFigures($0.counter.statistics(), layer: nil, hidden: model.configuration.hidden)
    }
  }

  private static func score(
    _ task: LoadedTask, _ encoder: RequestEncoder, _ scorer: inout SharedPrefixScorer, _ progress: (Int) throws -> Void
  ) throws -> ScoredTask {
    var truncated: Set<Int> = []
    var questions: [[TokenRequest]] = []
    for (place, document) in task.documents.enumerated() {
      var requests: [TokenRequest] = []
      for request in document.requests {
        if task.definition.output == .rolling {
          requests += encoder.windows(request.continuation)
          continue
        }
        do throws(ContinuationLength) {
          let encoded = try encoder.pair(request.context, request.continuation)
          requests.append(encoded.request)
          if encoded.isCut { truncated.insert(place) }
        } catch {
          throw TaskDataError.room(
            task: task.definition.name, file: task.file, line: document.line, context: encoder.maxLength,
            expected: "a continuation of 1 to \(encoder.maxLength) tokens", found: error.tokens)
        }
      }
      questions.append(requests)
    }
    let scores = try scorer.score(questions, progress: progress)
    var documents: [ScoredDocument] = []
    for (place, document) in task.documents.enumerated() {
      guard scores[place].allSatisfy({ $0.logLikelihood.isFinite }) else {
        throw TaskDataError.notFinite(task: task.definition.name, file: task.file, line: document.line)
      }
      let isRolling = task.definition.output == .rolling
      let responses =
        isRolling
        ? [Response(logLikelihood: scores[place].reduce(0) { $0 + $1.logLikelihood }, isGreedy: false)]
        : scores[place].map { Response(logLikelihood: $0.logLikelihood, isGreedy: $0.isGreedy) }
      documents.append(
        ScoredDocument(
          document: document, responses: responses, answer: nil, isClose: scores[place].contains { $0.isClose },
          isTruncated: truncated.contains(place)))
    }
    return ScoredTask(task: task, documents: documents)
  }

  private static func generate(
    _ task: LoadedTask, _ encoder: RequestEncoder, _ answers: inout GreedyAnswers, _ progress: (Int) throws -> Void
  ) throws -> ScoredTask {
    let rule = task.definition.generation
    var prompts: [(tokens: [Int32], isCut: Bool)] = []
    for document in task.documents {
      guard let request = document.requests.first, !request.context.isEmpty else {
        throw TaskDataError.row(
          task: task.definition.name, file: task.file, line: document.line, key: "doc_to_text", expected: "a prompt",
          found: "an empty one")
      }
      guard rule.maxTokens < encoder.maxLength else {
        throw TaskDataError.room(
          task: task.definition.name, file: task.file, line: document.line, context: encoder.maxLength,
          expected: "a prompt and fewer new tokens (max_gen_toks)", found: rule.maxTokens)
      }
      prompts.append(encoder.prompt(request.context, room: rule.maxTokens))
    }
    let texts = try answers.answer(prompts.map(\.tokens), rule, progress: progress)
    var documents: [ScoredDocument] = []
    for (place, document) in task.documents.enumerated() {
      guard let text = texts[place] else {
        throw TaskDataError.notFinite(task: task.definition.name, file: task.file, line: document.line)
      }
      documents.append(
        ScoredDocument(
          document: document, responses: [], answer: text, isClose: false, isTruncated: prompts[place].isCut))
    }
    return ScoredTask(task: task, documents: documents)
  }
}

/// What the model gives for one request of a document.
struct Response: Sendable, Equatable {
  /// In nats; over all windows of a rolling log-likelihood.
  let logLikelihood: Double
  let isGreedy: Bool
}

/// A document with what the model gave.
struct ScoredDocument: Sendable {
  let document: TaskDocument
  /// One a request; empty for generation.
  let responses: [Response]
  /// The text generated, for generation.
  let answer: String?
  /// Whether rounding may decide on experts of one of its tokens.
  let isClose: Bool
  /// Whether its prompt was cut.
  let isTruncated: Bool
}

/// A task with what the model gave.
struct ScoredTask: Sendable {
  let task: LoadedTask
  let documents: [ScoredDocument]
}
