/// The answers of one run to the questions of one task: what a samples file of lm-evaluation-harness holds.
struct AnsweredTask: Sendable {
  /// Name of the task.
  let task: String
  /// The filter, where the task has several.
  let filter: String?
  /// Whether these are the answers of another filter once more.
  let isFurther: Bool
  /// Metrics that every question has.
  let metrics: [String]
  /// Answers by the question's number.
  let answers: [String: Answer]
  /// What was left out of the file, and why.
  let notes: [String]

  /// Name of the task; with several filters, of the task and the filter.
  var name: String { Self.name(task, filter) }

  static func name(_ task: String, _ filter: String?) -> String { filter.map { "\(task), \($0)" } ?? task }
}

/// What a run made of one question.
struct Answer: Sendable {
  /// Hash of the question's data row; nil where the file has none.
  let hash: String?
  /// Hash of the prompt; nil where the file has none.
  let promptHash: String?
  /// Values of the metrics.
  let values: [String: MetricValue]
  /// The question in words.
  let wording: Wording
}

/// A metric's value for one question.
enum MetricValue: Equatable, Sendable {
  /// A score, or a log-likelihood.
  case number(Double)
  /// A log-likelihood and the number of words, bytes or tokens that it is spread over.
  case ratio(sum: Double, count: Double)
}

/// A question with what was asked and answered; of a question without choices only the texts.
struct Wording: Sendable {
  /// The prompt.
  let prompt: String
  /// The choices; empty where the answer is free.
  let choices: [String]
  /// Log-likelihood of each choice.
  let logLikelihoods: [Double]
  /// Index of the right choice; nil where the file does not say.
  let gold: Int?
  /// The right answer as the file has it.
  let target: String
  /// The answer of a question without choices.
  let free: String

  /// Index of the choice taken under a metric: the first with the largest log-likelihood, or with the largest one per
  /// Unicode scalar (`acc_norm`) or per byte (`acc_bytes`) of its text.
  func taken(_ metric: String) -> Int? {
    let scores = zip(choices, logLikelihoods).map { choice, value in
      switch metric {
      case "acc_norm": value / Double(max(1, choice.unicodeScalars.count))
      case "acc_bytes": value / Double(max(1, choice.utf8.count))
      default: value
      }
    }
    guard !scores.contains(where: \.isNaN), let best = scores.max() else { return nil }
    return scores.firstIndex(of: best)
  }

  /// The answer in words under a metric.
  func answer(_ metric: String) -> String { taken(metric).map { choices[$0] } ?? free }

  /// The right answer in words.
  var goldText: String { gold.map { choices[$0] } ?? target }
}
