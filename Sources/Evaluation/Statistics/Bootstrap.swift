internal import Formats
internal import Routing

/// How intervals are made: seeds and documents drawn with replacement, percentiles of the recomputed figure.
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

  /// Resamples a ratio of sums.
  ///
  ///     figure = mean over seeds of Σ value / Σ weight
  ///
  /// A draw picks seeds with replacement, then units (documents or questions) with replacement. Every seed was measured on
  /// the same units, so one draw takes the same units for all of its seeds: seeds and units are crossed. Picks depend on
  /// the bootstrap's seed, the stream, and the numbers of seeds and units only, so that draw b of two calls means the same
  /// units and the same training seeds in both: that is what pairs differences. What the drawn seeds change is multiplied
  /// by √(S / (S − 1)), the correction that turns the variance of S numbers into that of what they were drawn from.
  ///
  /// - Parameters:
  ///   - values: [seeds][units], at least one seed and two units.
  ///   - weights: One positive number a unit.
  ///   - stream: Tells independent sets of units apart; training seeds are drawn alike in all streams.
  /// - Returns: The figure of every resampled set.
  /// - Source: Owen, *The pigeonhole bootstrap*, Annals of Applied Statistics 1 (2007), for the crossed draws.
  func resample(_ values: [[Double]], weights: [Double], stream: UInt64 = 0) -> [Double] {
    var units = SplitMix64(seed: seed ^ stream)
    var seeds = SplitMix64(seed: ~seed)
    let count = weights.count
    let correction = values.count > 1 ? (Double(values.count) / Double(values.count - 1)).squareRoot() : 0
    var picks = [Int](repeating: 0, count: count)
    var result = [Double]()
    result.reserveCapacity(draws)
    for _ in 0..<draws {
      var drawn = 0.0
      for slot in 0..<count {
        picks[slot] = units.below(count)
        drawn += weights[picks[slot]]
      }
      let ratios = values.map { values in picks.reduce(0) { $0 + values[$1] } / drawn }
      guard ratios.count > 1 else {
        result.append(ratios[0])
        continue
      }
      let all = ratios.reduce(0, +) / Double(ratios.count)
      let some = ratios.reduce(0) { sum, _ in sum + ratios[seeds.below(ratios.count)] } / Double(ratios.count)
      result.append(all + correction * (some - all))
    }
    return result
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

  /// Unbiased variance of at least two numbers.
  static func variance(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
  }

  /// Standard deviation of a resampled figure, which estimates its standard error.
  static func deviation(_ draws: [Double]) -> Double { variance(draws).squareRoot() }
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
