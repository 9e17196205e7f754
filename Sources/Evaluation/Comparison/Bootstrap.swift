/// How intervals are made: documents drawn with replacement, percentiles of the recomputed figure.
public struct Bootstrap: Codable, Equatable, Sendable {
  /// Number of resampled sets.
  public let draws: Int
  /// Seed of the draws, written beside every result.
  public let seed: UInt64

  /// Settings of a bootstrap; the defaults are those of every report.
  public init(draws: Int = 2000, seed: UInt64 = 1) {
    self.draws = draws
    self.seed = seed
  }

  /// Probability with which an interval covers.
  public static let level = 0.95

  /// The `level` interval of a resampled figure: its 2.5 and 97.5 percentiles.
  static func interval(_ draws: [Double]) -> Interval {
    let sorted = draws.sorted()
    return Interval(low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2))
  }

  /// The quantile of rising values, linear between neighbours at rank q·(n − 1), as in numpy.
  static func quantile(_ sorted: [Double], _ q: Double) -> Double {
    let rank = q * Double(sorted.count - 1)
    let below = Int(rank)
    let above = min(below + 1, sorted.count - 1)
    let share = rank - Double(below)
    // Not below + share·(above − below): that is NaN where one neighbour is infinite and the share is 0.
    return share == 0 ? sorted[below] : sorted[below] * (1 - share) + sorted[above] * share
  }

  /// Standard deviation of a resampled figure, which estimates its standard error.
  static func deviation(_ draws: [Double]) -> Double {
    let mean = draws.reduce(0, +) / Double(draws.count)
    return (draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count - 1)).squareRoot()
  }
}

/// A range that covers with the probability `Bootstrap.level`.
public struct Interval: Codable, Equatable, Sendable {
  /// Lower end.
  public let low: Double
  /// Upper end.
  public let high: Double

  /// A range between two ends.
  public init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  /// Whether a value lies inside, ends included.
  public func contains(_ value: Double) -> Bool { low <= value && value <= high }
}
