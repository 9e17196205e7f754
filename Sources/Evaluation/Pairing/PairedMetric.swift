import Foundation

/// What a metric's values mean: how they are averaged, compared and shown.
struct PairedMetric: Sendable, Equatable {
  /// The name in files, `acc_norm` for instance.
  let name: String
  /// How values become a figure.
  let kind: Kind
  /// Whether a higher figure is better.
  let higherIsBetter: Bool

  enum Kind: Sendable, Equatable {
    /// Mean of the values; `isRight` where all of them are 0 or 1.
    case mean(isRight: Bool)
    /// exp of the figure, which is a mean negative log-likelihood per question, word, byte or token.
    case perplexity(unit: String)
    /// Bits per byte: the figure, in nats, over ln 2.
    case bits
  }

  /// The log-likelihood of the right choice, which is compared where accuracies are at chance level.
  static let gold = PairedMetric(name: "gold_logprob", kind: .mean(isRight: false), higherIsBetter: true)

  /// - Parameters:
  ///   - name: The name in files.
  ///   - values: All values of it.
  ///   - lowerIsBetter: What the results say.
  init(_ name: String, _ values: [MetricValue], lowerIsBetter: Bool) {
    self.name = name
    let isRatio = values.allSatisfy { if case .ratio = $0 { true } else { false } }
    if name == "bits_per_byte", isRatio {
      kind = .bits
    } else if name.hasSuffix("perplexity") {
      kind = .perplexity(unit: isRatio ? String(name.split(separator: "_")[0]) : "question")
    } else {
      kind = .mean(isRight: values.allSatisfy { $0 == .number(0) || $0 == .number(1) })
    }
    higherIsBetter = if case .mean = kind { !lowerIsBetter } else { false }
  }

  private init(name: String, kind: Kind, higherIsBetter: Bool) {
    (self.name, self.kind, self.higherIsBetter) = (name, kind, higherIsBetter)
  }

  /// Whether values are right or wrong.
  var isRight: Bool { kind == .mean(isRight: true) }

  /// Whether guessing among choices has a known accuracy under this metric.
  var isChoice: Bool { isRight && ["acc", "acc_norm", "acc_bytes", "acc_mutual_info"].contains(name) }

  /// Unit of differences.
  var unit: String {
    switch kind {
    case .mean: self == .gold ? "nats/question" : ""
    case .perplexity(let unit): "nats/\(unit)"
    case .bits: "bits/byte"
    }
  }

  /// Numerator and weight of one value: the figure is Σ numerator / Σ weight.
  func terms(_ value: MetricValue) -> (Double, Double) {
    switch (value, kind) {
    case (.number(let value), .mean): (value, 1)
    case (.number(let value), _): (-value, 1)
    case (.ratio(let sum, let count), .bits): (-sum / log(2), count)
    case (.ratio(let sum, let count), _): (-sum, count)
    }
  }

  /// The figure as people know it: a perplexity is the exponential of what is compared.
  func shown(_ figure: Double) -> Double { if case .perplexity = kind { Numbers.exponential(figure) } else { figure } }

  /// The metric that stands for its task in verdicts and means: one a task, or verdicts would count twice.
  static func primary(_ metrics: [PairedMetric]) -> PairedMetric? {
    let order = [
      "acc_norm", "acc", "exact_match", "word_perplexity", "token_perplexity", "perplexity", "byte_perplexity",
      "bits_per_byte",
    ]
    return order.lazy.compactMap { name in metrics.first { $0.name == name } }.first ?? metrics.first
  }
}
