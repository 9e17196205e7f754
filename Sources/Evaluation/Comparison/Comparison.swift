/// A study, compared: every cell's loss with its interval, paired with the standard model, beside its communication.
///
/// The *reference* is the standard model with no limit. The control for "did training under the limit do anything?" is
/// the standard model with the same limit applied afterwards. This is what `comparison.json` holds.
public struct Comparison: Equatable, Sendable {
  /// Facts of the run, copied from the study.
  public let run: RunFacts
  /// How the intervals were made.
  public let bootstrap: Bootstrap
  /// The verdict in a line, then in sentences.
  public let headline: String
  /// Three to five sentences in plain words, computed from the numbers.
  public let verdict: [String]
  /// One entry for every cell, in the study's order.
  public let results: [CellResult]

  init(run: RunFacts, bootstrap: Bootstrap, results: [CellResult]) {
    let verdict = Verdict(run: run, results: results)
    self.init(
      run: run, bootstrap: bootstrap, headline: verdict.headline, verdict: verdict.sentences, results: results)
  }

  init(run: RunFacts, bootstrap: Bootstrap, headline: String, verdict: [String], results: [CellResult]) {
    self.run = run
    self.bootstrap = bootstrap
    self.headline = headline
    self.verdict = verdict
    self.results = results
  }

  /// Compares the cells of a study.
  ///
  /// - Throws: `ComparisonError` that names the place of a value that is not finite, of arrays that do not fit, or of
  ///   cells that were not measured on the same documents.
  public init(_ study: Study, bootstrap: Bootstrap = Bootstrap()) throws(ComparisonError) {
    try study.check()
    var samples: [(cell: Cell, target: LossSample, retention: LossSample?, seeds: [Cell])] = []
    for seeds in study.seedGroups {
      let target = try LossSample(seeds: seeds.map { ($0.name, $0.target) }, bootstrap: bootstrap)
      var retention: LossSample?
      if !seeds[0].retention.isEmpty {
        retention = try LossSample(
          text: "retention", seeds: seeds.map { ($0.name, $0.retention) }, bootstrap: bootstrap)
      }
      samples.append((seeds[0], target, retention, seeds))
    }
    let standards = samples.filter { $0.cell.fineTuned && $0.cell.trainedRule == nil }
    let arm = standards.contains { $0.cell.arm == "standard" } ? "standard" : standards.first?.cell.arm
    let standard = standards.filter { $0.cell.arm == arm }
    let reference = standard.first { $0.cell.evaluatedRule == nil }
    let base = samples.first { !$0.cell.fineTuned && $0.cell.evaluatedRule == nil }

    var results: [CellResult] = []
    for (cell, target, retention, seeds) in samples {
      var result = CellResult(cells: seeds, target: target, retention: retention)
      let free = samples.first { $0.cell.arm == cell.arm && $0.cell.evaluatedRule == nil }
      result.devicesPerTokenUnlimited =
        free.map { CommunicationFigures.mean($0.seeds.map(\.communication)).devicesPerToken }
      result.isReference = cell.arm == reference?.cell.arm && cell.evaluatedRule == nil
      if let reference {
        result.difference = try target.difference(from: reference.target)
        if let retention, let other = reference.retention {
          result.retentionDifference = try retention.difference(from: other)
        }
        if let base, cell.fineTuned, !result.isReference {
          result.nonInferiority = try target.nonInferiority(to: reference.target, base: base.target)
        }
      } else if let first = samples.first {
        _ = try target.difference(from: first.target)  // Cells of one matrix always share their documents.
      }
      // The same rule, applied to the standard model afterwards: the control.
      let limited = standard.first { $0.cell.evaluatedRule == cell.evaluatedRule }
      if let limited, cell.fineTuned, let trained = cell.trainedRule, trained == cell.evaluatedRule {
        result.trainingEffect = try target.difference(from: limited.target)
        if let reference {
          result.recovery = try target.recovery(limited: limited.target, free: reference.target)
        }
      }
      results.append(result)
    }
    self.init(run: study.facts, bootstrap: bootstrap, results: results)
  }

  /// The result of the standard model with no limit, to which all differences refer.
  public var reference: CellResult? { results.first(where: \.isReference) }
}

/// One cell of the matrix, compared.
public struct CellResult: Equatable, Sendable {
  /// Name of the arm.
  public var arm: String
  /// Whether its weights were fine-tuned.
  public var fineTuned: Bool
  /// Limit under which it was trained; `nil` for none.
  public var trainedLimit: Int?
  /// Limit under which it was evaluated; `nil` for none.
  public var evaluatedLimit: Int?
  /// Rule under which it was trained; `nil` for none.
  public var trainedRule: String?
  /// Rule under which it was evaluated; `nil` for none.
  public var evaluatedRule: String?
  /// Policy of the rule that was evaluated.
  public var policy: String
  /// Whether this is the standard model with no limit.
  public var isReference = false
  /// Number of target documents, resampled for the intervals.
  public var documents: Int
  /// Number of target tokens.
  public var tokens: Int
  /// Target loss in nats per token, the mean over seeds.
  public var loss: Double
  /// The target loss of each seed; one for the base.
  public var seedLosses: [Double]
  /// Standard error of the target loss.
  public var standardError: Double
  /// 95 % interval of the target loss.
  public var lossInterval: Interval
  /// Difference of the target loss from the reference; `nil` when the study has no reference.
  public var difference: Difference?
  /// Whether a fine-tuned cell is not worse than the reference by more than a tenth of what the reference gained over the
  /// base; `nil` without a base or a reference.
  public var nonInferiority: NonInferiority?
  /// For a cell evaluated under the limit it was trained with: difference from the standard model with that limit
  /// applied afterwards; below 0 where training under the limit helped.
  public var trainingEffect: Difference?
  /// For such a cell, the share of the limit's cost won back; `nil` when undefined.
  public var recovery: Recovery?
  /// Retention loss in nats per token; `nil` when not measured.
  public var retentionLoss: Double?
  /// Standard error of the retention loss.
  public var retentionError: Double?
  /// Difference of the retention loss from the reference.
  public var retentionDifference: Difference?
  /// C_T of the arm with the rule off: what its routers ask for; `nil` when that was not measured.
  public var devicesPerTokenUnlimited: Double?
  /// Communication over all layers.
  public var communication: CommunicationFigures
  /// Communication by layer.
  public var layers: [CommunicationFigures]

  /// The mean over `cells`, which are of one arm and rule, one a seed.
  init(cells: [Cell], target: LossSample, retention: LossSample?) {
    let cell = cells[0]
    arm = cell.arm
    fineTuned = cell.fineTuned
    trainedLimit = cell.trainedLimit
    evaluatedLimit = cell.evaluatedLimit
    trainedRule = cell.trainedRule
    evaluatedRule = cell.evaluatedRule
    policy = cell.policy
    documents = target.documents.count
    tokens = target.documents.reduce(0) { $0 + $1.tokens }
    loss = target.loss
    seedLosses = target.seedLosses
    standardError = target.standardError
    lossInterval = target.interval
    retentionLoss = retention?.loss
    retentionError = retention?.standardError
    communication = .mean(cells.map(\.communication))
    communication.layer = nil
    layers = cell.layers.indices.map { layer in .mean(cells.map { $0.layers[layer] }) }
  }

  /// exp(loss): the perplexity per token of the target text.
  public var tokenPerplexity: Double { Numbers.exponential(loss) }

  /// Whether the cell is evaluated as it was trained: the standard model without a limit, `L2` at 2.
  public var isMatched: Bool { fineTuned && trainedRule == evaluatedRule }
}
