/// A paired difference with its 95 % interval: of losses in nats per token, where below 0 means better, or of scores.
public struct Difference: Codable, Equatable, Sendable {
  /// The difference on all documents.
  public let mean: Double
  /// Lower end of the interval.
  public let low: Double
  /// Upper end of the interval.
  public let high: Double

  /// A difference and its interval.
  public init(mean: Double, low: Double, high: Double) {
    self.mean = mean
    self.low = low
    self.high = high
  }

  init(_ figure: Resampled) {
    let interval = figure.interval
    self.init(mean: figure.value, low: interval.low, high: interval.high)
  }

  /// The smallest true difference that this comparison would have detected in 4 of 5 repetitions.
  ///
  ///     half-width × (z₀.₉₇₅ + z₀.₈₀) / z₀.₉₇₅ = half-width × (1.96 + 0.84) / 1.96
  ///
  /// A test at 5 % (two-sided) finds a true difference δ with 80 % power when δ = (1.96 + 0.84) standard errors, and
  /// the interval's half-width is 1.96 of them.
  public var detectable: Double { (high - low) / 2 * (1.96 + 0.84) / 1.96 }

  /// What the interval of a loss shows.
  public var outcome: Outcome { high < 0 ? .better : low > 0 ? .worse : .noneShown }

  enum CodingKeys: String, CodingKey { case mean, low, high, detectable }

  /// Reads a difference; what could have been detected is computed anew.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      mean: try container.decode(Double.self, forKey: .mean), low: try container.decode(Double.self, forKey: .low),
      high: try container.decode(Double.self, forKey: .high))
  }

  /// Writes a difference with what could have been detected.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(mean, forKey: .mean)
    try container.encode(low, forKey: .low)
    try container.encode(high, forKey: .high)
    try container.encode(detectable, forKey: .detectable)
  }

  /// What an interval of a difference shows.
  public enum Outcome: Sendable {
    /// The whole interval lies below 0.
    case better
    /// The whole interval lies above 0.
    case worse
    /// The interval contains 0. This does not say that both are equal.
    case noneShown
  }
}

/// Share of a limit's cost that training under it wins back: 1 is all of it, 0 nothing, below 0 training hurt.
public struct Recovery: Codable, Equatable, Sendable {
  /// The share on all documents.
  public let mean: Double
  /// Lower end of the 95 % interval.
  public let low: Double
  /// Upper end of the interval.
  public let high: Double

  /// A share and its interval.
  public init(mean: Double, low: Double, high: Double) {
    self.mean = mean
    self.low = low
    self.high = high
  }
}
