/// The loss of one arm under one rule on one text, with its bootstrap draws.
///
///     loss = mean over seeds of Σ nll / Σ tokens      (a ratio estimator: long documents weigh more)
///
/// Documents are sorted by id, so draw b of two samples means the same documents and the same training seeds in both
/// (``Bootstrap``).
public struct LossSample: Sendable {
  /// Name of the cell, for messages; of its first seed where there are several.
  public let cell: String
  /// Name of the text, `target` or `retention`.
  public let text: String
  /// Documents by rising id, each with its mean loss over seeds.
  public let documents: [DocumentLoss]
  /// Mean over seeds of Σ nll / Σ tokens in nats per token.
  public var loss: Double { figure.value }
  /// The loss of each seed.
  public var seedLosses: [Double] { figure.seeds }
  /// The loss with those of every resampled set of seeds and documents.
  let figure: Resampled

  /// Resamples the documents of a cell that has one seed, or none.
  ///
  /// - Throws: `ComparisonError` that names the cell and the first document that is repeated, not finite or empty.
  public init(
    cell: String, text: String = "target", _ documents: [DocumentLoss], bootstrap: Bootstrap = Bootstrap()
  ) throws(ComparisonError) {
    try self.init(text: text, seeds: [(cell, documents)], bootstrap: bootstrap)
  }

  /// Resamples seeds and documents of cells that differ in their seed only.
  ///
  /// - Parameters:
  ///   - text: `target` or `retention`.
  ///   - seeds: Name and losses of each seed's cell, at least one, in an order that all samples share.
  ///   - bootstrap: How often, and from which seed.
  /// - Throws: `ComparisonError` that names the cell and the first document that is repeated, not finite or empty, or that
  ///   one of the seeds lacks.
  public init(
    text: String = "target", seeds: [(cell: String, documents: [DocumentLoss])], bootstrap: Bootstrap = Bootstrap()
  ) throws(ComparisonError) {
    guard bootstrap.draws >= 100 else { throw .draws(found: bootstrap.draws) }
    guard let first = seeds.first else { throw .empty }
    var sorted: [[DocumentLoss]] = []
    for (cell, documents) in seeds { sorted.append(try Self.checked(cell: cell, text: text, documents)) }
    for ((cell, _), documents) in zip(seeds, sorted).dropFirst() {
      try Self.pair((cell, documents), (first.cell, sorted[0]), text: text)
    }
    (cell, self.text) = (first.cell, text)
    let tokens = sorted[0].map(\.tokens)
    let losses = sorted.map { $0.map(\.nll) }
    documents = sorted[0].indices.map { index in
      DocumentLoss(
        document: sorted[0][index].document,
        nll: losses.reduce(0) { $0 + $1[index] } / Double(losses.count), tokens: tokens[index])
    }
    let seedLosses = losses.map { $0.reduce(0, +) / Double(tokens.reduce(0, +)) }
    figure = Resampled(
      value: seedLosses.reduce(0, +) / Double(seedLosses.count),
      draws: bootstrap.resample(losses, weights: tokens.map(Double.init)), seeds: seedLosses)
  }

  private static func checked(
    cell: String, text: String, _ documents: [DocumentLoss]
  ) throws(ComparisonError) -> [DocumentLoss] {
    let sorted = documents.sorted { $0.document < $1.document }
    guard sorted.count >= 2 else { throw .tooFewDocuments(cell: cell, text: text, found: sorted.count) }
    for (index, entry) in sorted.enumerated() {
      guard entry.nll.isFinite else {
        throw .notFinite(cell: cell, text: text, document: entry.document, found: "\(entry.nll)")
      }
      guard entry.tokens > 0 else {
        throw .noTokens(cell: cell, text: text, document: entry.document, found: entry.tokens)
      }
      guard index == 0 || sorted[index - 1].document != entry.document else {
        throw .repeatedDocument(cell: cell, text: text, document: entry.document)
      }
    }
    return sorted
  }

  /// Standard error of the loss.
  public var standardError: Double { figure.standardError }

  /// 95 % interval of the loss; its exponential is that of the perplexity.
  public var interval: Interval { figure.interval }

  /// The paired difference `self` − `other`, below 0 where `self` is better.
  ///
  /// - Throws: `ComparisonError` when the two were not measured on the same documents and tokens.
  public func difference(from other: LossSample) throws(ComparisonError) -> Difference {
    Difference(try paired(with: other))
  }

  private func paired(with other: LossSample) throws(ComparisonError) -> Resampled {
    try Self.pair((cell, documents), (other.cell, other.documents), text: text)
    return figure - other.figure
  }

  /// Whether the loss is not worse than that of standard fine-tuning by more than a margin.
  ///
  /// - Parameters:
  ///   - standard: the standard model without a limit.
  ///   - base: the model that was fine-tuned, without a limit.
  ///   - margin: how much worse is still acceptable.
  /// - Returns: the statement, with its bounds.
  /// - Throws: `ComparisonError` when the three were not measured on the same documents and tokens.
  public func nonInferiority(
    to standard: LossSample, base: LossSample, margin: Margin = .standard
  ) throws(ComparisonError) -> NonInferiority {
    NonInferiority(
      harm: try paired(with: standard), gain: try base.paired(with: standard), margin: margin)
  }

  /// Makes sure that draw b means the same documents in both.
  private static func pair(
    _ mine: (cell: String, documents: [DocumentLoss]), _ theirs: (cell: String, documents: [DocumentLoss]), text: String
  ) throws(ComparisonError) {
    let pairs = zip(mine.documents, theirs.documents)
    let index = pairs.enumerated().first { $1.0.document != $1.1.document }?.offset
    if index != nil || mine.documents.count != theirs.documents.count {
      let place = index ?? min(mine.documents.count, theirs.documents.count)
      let rest = mine.documents[place...].prefix(1) + theirs.documents[min(place, theirs.documents.count)...].prefix(1)
      let lone = rest.map(\.document).min() ?? ""
      throw .differentDocuments(cell: mine.cell, other: theirs.cell, text: text, document: lone)
    }
    for (own, other) in pairs where own.tokens != other.tokens {
      throw .differentTokens(
        cell: mine.cell, other: theirs.cell, text: text, document: own.document, expected: other.tokens,
        found: own.tokens)
    }
  }

  /// Share of a limit's cost that training under it wins back.
  ///
  ///     recovery = (limited − self) / (limited − free)
  ///
  /// - Parameters:
  ///   - limited: the standard model with the limit applied afterwards.
  ///   - free: the standard model without a limit.
  /// - Returns: `nil` (undefined) unless the interval of `limited` − `free` lies above 0: where applying the limit is
  ///   not shown to cost anything, there is nothing to win back.
  /// - Throws: `ComparisonError` when the three were not measured on the same documents and tokens.
  public func recovery(limited: LossSample, free: LossSample) throws(ComparisonError) -> Recovery? {
    let gain = try limited.paired(with: self)
    let cost = try limited.paired(with: free)
    guard cost.interval.low > 0 else { return nil }
    let ratio = gain.combined(cost) { gain, cost in
      // A few draws may see no cost although the interval does; they count as the limit cost → 0 from above.
      cost > 0 ? gain / cost : (gain < 0 ? -Double.infinity : .infinity)
    }
    let interval = ratio.interval
    guard interval.low.isFinite, interval.high.isFinite else { return nil }
    return Recovery(mean: ratio.value, low: interval.low, high: interval.high)
  }
}
