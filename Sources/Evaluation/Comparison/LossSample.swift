internal import Collaboration

/// The loss of one cell on one text, with its bootstrap draws.
///
///     loss = Σ nll / Σ tokens      (a ratio estimator: long documents weigh more)
///
/// Draws depend on seed and number of documents only, and documents are sorted by id. So draw b of two cells picks the
/// same documents in both, which is what pairs their differences.
public struct LossSample: Sendable {
  /// Name of the cell, for messages.
  public let cell: String
  /// Name of the text, `target` or `retention`.
  public let text: String
  /// Documents by rising id.
  public let documents: [DocumentLoss]
  /// Σ nll / Σ tokens in nats per token.
  public let loss: Double
  /// The same for every resampled set of documents.
  let draws: [Double]

  /// Resamples the documents of a cell.
  ///
  /// - Throws: `ComparisonError` that names the cell and the first document that is repeated, not finite or empty.
  public init(
    cell: String, text: String = "target", _ documents: [DocumentLoss], bootstrap: Bootstrap = Bootstrap()
  ) throws(ComparisonError) {
    let sorted = documents.sorted { $0.document < $1.document }
    guard bootstrap.draws >= 100 else { throw .draws(found: bootstrap.draws) }
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
    self.cell = cell
    self.text = text
    self.documents = sorted
    loss = sorted.reduce(0) { $0 + $1.nll } / Double(sorted.reduce(0) { $0 + $1.tokens })
    draws = Self.resample(sorted, bootstrap)
  }

  private static func resample(_ documents: [DocumentLoss], _ bootstrap: Bootstrap) -> [Double] {
    let losses = documents.map(\.nll)
    let counts = documents.map(\.tokens)
    var random = SplitMix64(seed: bootstrap.seed)
    var draws = [Double]()
    draws.reserveCapacity(bootstrap.draws)
    for _ in 0..<bootstrap.draws {
      var nll = 0.0
      var tokens = 0
      for _ in 0..<losses.count {
        let pick = random.below(losses.count)
        nll += losses[pick]
        tokens += counts[pick]
      }
      draws.append(nll / Double(tokens))
    }
    return draws
  }

  /// Standard error of the loss.
  public var standardError: Double { Bootstrap.deviation(draws) }

  /// 95 % interval of the loss; its exponential is that of the perplexity.
  public var interval: Interval { Bootstrap.interval(draws) }

  /// The paired difference `self` − `other`, below 0 where `self` is better.
  ///
  /// - Throws: `ComparisonError` when the two were not measured on the same documents and tokens.
  public func difference(from other: LossSample) throws(ComparisonError) -> Difference {
    try pair(with: other)
    return Difference(mean: loss - other.loss, draws: zip(draws, other.draws).map { $0 - $1 })
  }

  /// Makes sure that draw b means the same documents in both.
  private func pair(with other: LossSample) throws(ComparisonError) {
    let index = zip(documents, other.documents).enumerated().first { $1.0.document != $1.1.document }?.offset
    if index != nil || documents.count != other.documents.count {
      let place = index ?? min(documents.count, other.documents.count)
      let rest = documents[place...].prefix(1) + other.documents[min(place, other.documents.count)...].prefix(1)
      let lone = rest.map(\.document).min() ?? ""
      throw .differentDocuments(cell: cell, other: other.cell, text: text, document: lone)
    }
    for (mine, theirs) in zip(documents, other.documents) where mine.tokens != theirs.tokens {
      throw .differentTokens(
        cell: cell, other: other.cell, text: text, document: mine.document, expected: theirs.tokens,
        found: mine.tokens)
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
    try pair(with: limited)
    guard try limited.difference(from: free).low > 0 else { return nil }
    let ratios = draws.indices.map { draw -> Double in
      let gain = limited.draws[draw] - draws[draw]
      let cost = limited.draws[draw] - free.draws[draw]
      // A few draws may see no cost although the interval does; they count as the limit cost → 0 from above.
      return cost > 0 ? gain / cost : (gain < 0 ? -Double.infinity : .infinity)
    }
    let interval = Bootstrap.interval(ratios)
    guard interval.low.isFinite, interval.high.isFinite else { return nil }
    return Recovery(mean: (limited.loss - loss) / (limited.loss - free.loss), low: interval.low, high: interval.high)
  }
}
