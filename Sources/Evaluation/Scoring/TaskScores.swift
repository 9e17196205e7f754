internal import Formats
internal import Placements
internal import Routing
internal import Foundation

/// One figure of a task or group.
struct TaskFigure: Sendable, Equatable {
  let metric: TaskMetric
  /// Filter of a generated answer; `none` for log-likelihoods.
  let filter: String
  let value: Double
  /// nil where none is defined.
  let standardError: Double?
}

/// What a metric is of one document.
enum DocumentFigure: Sendable, Equatable {
  /// A share's 0 or 1.
  case hit(Bool)
  /// A log-likelihood.
  case logLikelihood(Double)
  /// A log-likelihood and what it is divided by.
  case weighted(Double, Int)
}

extension ScoredTask {
  /// Filters of the task; `none` where there are none.
  var filters: [String] {
    task.definition.output == .generate ? task.definition.generation.filters.map(\.name) : ["none"]
  }

  /// A document's figure.
  ///
  /// - Source: lm_eval 0.4.13, `api/task.py`, `process_results`; the first of equal scores wins.
  func figure(_ metric: TaskMetric, _ scored: ScoredDocument, filter: String) -> DocumentFigure {
    let document = scored.document
    let scores = scored.responses.map(\.logLikelihood)
    func best(_ lengths: (String) -> Int) -> DocumentFigure {
      let values = zip(scores, document.choices).map { $0 / Double(lengths($1)) }
      let top = values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
      return .hit(top == document.gold)
    }
    switch metric {
    case .acc where task.definition.output == .multipleChoice: return best { _ in 1 }
    case .acc: return .hit(scored.responses.allSatisfy(\.isGreedy))
    case .accNorm: return best { $0.unicodeScalars.count }
    case .accBytes: return best { $0.utf8.count }
    case .perplexity: return .logLikelihood(scores[0])
    case .wordPerplexity: return .weighted(scores[0], document.words)
    case .bytePerplexity, .bitsPerByte: return .weighted(scores[0], document.bytes)
    case .exactMatch: return .hit(isExact(filtered(scored, filter), document))
    }
  }

  /// What a filter leaves of an answer.
  func filtered(_ scored: ScoredDocument, _ filter: String) -> String {
    let answer = scored.answer ?? ""
    return task.definition.generation.filters.first { $0.name == filter }?(answer) ?? answer
  }

  private func isExact(_ answer: String, _ document: TaskDocument) -> Bool {
    let rule = task.definition.generation
    let sides = [answer, document.target.string ?? ""].map { side in
      let bare = rule.ignored.reduce(side) { $1.replaced(in: $0, by: "") }
      return rule.ignoresCase ? bare.lowercased() : bare
    }
    return sides[0] == sides[1]
  }

  /// The task's figures, filter by filter.
  func figures(draws: Int) -> [TaskFigure] {
    filters.flatMap { filter in
      task.definition.metrics.map { metric in
        let figures = documents.map { figure(metric, $0, filter: filter) }
        let (value, error) = TaskScores.aggregate(metric, figures, draws: draws)
        return TaskFigure(metric: metric, filter: filter, value: value, standardError: error)
      }
    }
  }
}

/// Means and standard errors as lm-evaluation-harness has them.
enum TaskScores {
  /// Draws of a bootstrap there.
  static let draws = 100_000

  /// Value and standard error of a metric.
  ///
  ///     mean ± s / √n,  s² = Σ (x − mean)² / (n − 1)
  ///     exp(−mean) ± deviation over draws of n documents with replacement       (perplexity)
  ///     exp(−Σ ll / Σ weights), −Σ ll / Σ weights / ln 2, without an error
  ///
  /// - Source: lm_eval 0.4.13, `api/metrics.py`.
  static func aggregate(
    _ metric: TaskMetric, _ figures: [DocumentFigure], draws: Int = draws
  ) -> (value: Double, standardError: Double?) {
    let count = Double(figures.count)
    var (values, weights): ([Double], Double) = ([], 0)
    for figure in figures {
      switch figure {
      case .hit(let isHit): values.append(isHit ? 1 : 0)
      case .logLikelihood(let value): values.append(value)
      case .weighted(let value, let weight):
        values.append(value)
        weights += Double(weight)
      }
    }
    let sum = values.reduce(0, +)
    switch metric {
    case .acc, .accNorm, .accBytes, .exactMatch:
      let mean = sum / count
      guard values.count > 1 else { return (mean, nil) }
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return (mean, (squares / (count - 1)).squareRoot() / count.squareRoot())
    case .perplexity:
      guard values.count > 1, draws > 1 else { return (Numbers.exponential(-sum / count), nil) }
      let means = Bootstrap.means(of: values, draws: draws, seed: Bootstrap().seed)
      return (Numbers.exponential(-sum / count), Bootstrap.deviation(means.map { Numbers.exponential(-$0) }))
    case .wordPerplexity, .bytePerplexity: return (Numbers.exponential(-sum / weights), nil)
    case .bitsPerByte: return (-sum / weights / log(2), nil)
    }
  }

  /// The mean of tasks, each with as much weight as it has documents.
  ///
  ///     Σ n_i x_i / N ± √(Σ (n_i − 1) · n_i · se_i² / (N − k) / N)
  ///
  /// - Source: lm_eval 0.4.13, `aggregate_subtask_metrics`, `pooled_sample_stderr`.
  static func pooled(_ parts: [(figure: TaskFigure, count: Int)]) -> (value: Double, standardError: Double?) {
    let total = Double(parts.reduce(0) { $0 + $1.count })
    let mean = parts.reduce(0) { $0 + $1.figure.value * Double($1.count) } / total
    guard total > Double(parts.count) else { return (mean, nil) }
    var variance = 0.0
    for part in parts {
      guard let error = part.figure.standardError else { return (mean, nil) }
      variance += Double(part.count - 1) * Double(part.count) * error * error
    }
    return (mean, (variance / (total - Double(parts.count)) / total).squareRoot())
  }
}

extension Bootstrap {
  /// Means of sets of values drawn with replacement.
  static func means(of values: [Double], draws: Int, seed: UInt64) -> [Double] {
    var generator = SplitMix64(seed: seed)
    return (0..<draws).map { _ in
      var sum = 0.0
      for _ in values.indices { sum += values[generator.below(values.count)] }
      return sum / Double(values.count)
    }
  }
}
