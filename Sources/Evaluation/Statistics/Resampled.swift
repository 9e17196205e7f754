/// A figure with its resampled values: what intervals, standard errors and tests of it are made from.
///
/// With several seeds, plain percentiles of a bootstrap are far too narrow: the spread of S drawn seeds is
/// √((S − 1) / S) of the true one, and S seeds know their own spread badly. Here the draws have the first put right
/// (``Bootstrap/resample(_:weights:stream:)``), and intervals are stretched by t / z, with the degrees of freedom that
/// Satterthwaite's formula gives the mixture of a few seeds and many documents:
///
///     ν = (S − 1) · (V / V_s)²,   V the variance of the draws, V_s the seeds' part of it
///
/// With one seed nothing is stretched, and the interval speaks of documents only.
///
/// - Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components".
struct Resampled: Sendable {
  /// The figure on all documents or questions.
  let value: Double
  /// The figure of every resampled set.
  let draws: [Double]
  /// The figure of each seed; one where there is one.
  let seeds: [Double]

  /// The paired difference of two figures that were resampled alike.
  static func - (a: Resampled, b: Resampled) -> Resampled { a.combined(b) { $0 - $1 } }

  /// The sum of two figures that were resampled alike.
  static func + (a: Resampled, b: Resampled) -> Resampled { a.combined(b) { $0 + $1 } }

  /// A multiple of a figure.
  static func * (factor: Double, a: Resampled) -> Resampled {
    Resampled(
      value: factor * a.value, draws: a.draws.map { factor * $0 }, seeds: a.seeds.map { factor * $0 })
  }

  /// Draw by draw and seed by seed; a figure of one seed stands beside all seeds of the other.
  func combined(_ other: Resampled, _ operation: (Double, Double) -> Double) -> Resampled {
    precondition(
      seeds.count == other.seeds.count || seeds.count == 1 || other.seeds.count == 1,
      "Resampled: \(seeds.count) and \(other.seeds.count) seeds cannot be paired")
    let both = (0..<max(seeds.count, other.seeds.count)).map { seed in
      operation(seeds[min(seed, seeds.count - 1)], other.seeds[min(seed, other.seeds.count - 1)])
    }
    return Resampled(
      value: operation(value, other.value), draws: zip(draws, other.draws).map(operation), seeds: both)
  }

  /// Standard error of the figure.
  var standardError: Double { Bootstrap.deviation(draws) }

  /// Degrees of freedom of the standard error; infinite with one seed.
  var degrees: Double {
    guard seeds.count > 1 else { return .infinity }
    let total = standardError * standardError
    let ofSeeds = Bootstrap.variance(seeds) / Double(seeds.count)
    // Without any spread there is nothing to stretch; draws that are not finite cannot be.
    guard total > 0, total.isFinite, ofSeeds > 0 else { return .infinity }
    let ratio = max(1, total / ofSeeds)
    return Double(seeds.count - 1) * ratio * ratio
  }

  /// The two-sided 95 % interval.
  var interval: Interval {
    let tail = (1 - Bootstrap.level) / 2
    return Interval(low: bound(tail), high: bound(1 - tail))
  }

  /// The one-sided 95 % upper bound.
  var upper: Double { bound(Bootstrap.level) }

  /// The one-sided 95 % lower bound.
  var lower: Double { bound(1 - Bootstrap.level) }

  private func bound(_ p: Double) -> Double {
    let quantile = Bootstrap.quantile(draws.sorted(), p)
    let degrees = degrees
    guard degrees.isFinite, quantile.isFinite else { return quantile }
    let stretch = Distributions.studentQuantile(p, degrees: degrees) / Distributions.normalQuantile(p)
    return value + (quantile - value) * stretch
  }

  /// Two-sided p-value of "the figure is 0", from its standard error; 1 where there is no spread and no difference.
  var pValue: Double {
    let error = standardError
    guard error > 0 else { return value == 0 ? 1 : 0 }
    let t = -abs(value) / error
    let degrees = degrees
    return 2 * (degrees.isFinite ? Distributions.student(t, degrees: degrees) : Distributions.normal(t))
  }
}
