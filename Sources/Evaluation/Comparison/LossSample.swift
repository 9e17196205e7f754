internal import Collaboration

/// The loss of one arm under one rule on one text, with its bootstrap draws.
///
///     loss = mean over seeds of Σ nll / Σ tokens      (a ratio estimator: long documents weigh more)
///
/// A draw picks seeds with replacement, then documents with replacement. Every seed was measured on the same documents, so
/// one draw takes the same documents for all of its seeds: seeds and documents are crossed, and drawing documents for each
/// seed apart would treat 5 × 500 losses as 2,500 documents. Picks depend on the bootstrap's seed and on the numbers of
/// seeds and documents only, and documents are sorted by id, so draw b of two samples means the same documents and the
/// same training seeds in both: that is what pairs their differences.
///
/// Source: Owen, *The pigeonhole bootstrap*, Annals of Applied Statistics 1 (2007), for the crossed draws.
public struct LossSample: Sendable {
  /// Name of the cell, for messages; of its first seed where there are several.
  public let cell: String
  /// Name of the text, `target` or `retention`.
  public let text: String
  /// Documents by rising id, each with its mean loss over seeds.
  public let documents: [DocumentLoss]
  /// Mean over seeds of Σ nll / Σ tokens in nats per token.
  public let loss: Double
  /// The loss of each seed.
  public let seedLosses: [Double]
  /// The loss of every resampled set of seeds and documents.
  let draws: [Double]

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
    seedLosses = losses.map { $0.reduce(0, +) / Double(tokens.reduce(0, +)) }
    loss = seedLosses.reduce(0, +) / Double(seedLosses.count)
    draws = Self.resample(losses, tokens, bootstrap)
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

  /// Draws of the mean loss; `losses` is [seeds][documents].
  private static func resample(_ losses: [[Double]], _ tokens: [Int], _ bootstrap: Bootstrap) -> [Double] {
    var documents = SplitMix64(seed: bootstrap.seed)
    var seeds = SplitMix64(seed: ~bootstrap.seed)
    let count = tokens.count
    var picks = [Int](repeating: 0, count: count)
    var draws = [Double]()
    draws.reserveCapacity(bootstrap.draws)
    for _ in 0..<bootstrap.draws {
      var drawn = 0
      for slot in 0..<count {
        picks[slot] = documents.below(count)
        drawn += tokens[picks[slot]]
      }
      let ratios = losses.map { losses in picks.reduce(0) { $0 + losses[$1] } / Double(drawn) }
      let mean =
        ratios.count == 1
        ? ratios[0] : ratios.reduce(0) { sum, _ in sum + ratios[seeds.below(ratios.count)] } / Double(ratios.count)
      draws.append(mean)
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
    try Self.pair((cell, documents), (other.cell, other.documents), text: text)
    return Difference(mean: loss - other.loss, draws: zip(draws, other.draws).map { $0 - $1 })
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
    try Self.pair((cell, documents), (limited.cell, limited.documents), text: text)
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
