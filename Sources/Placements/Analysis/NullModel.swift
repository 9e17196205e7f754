internal import Formats
package import Profiles
internal import Routing

/// Routing without structure: as many tokens use every expert, and every token uses as many experts, but which experts
/// meet is left to chance.
///
/// Two (token, expert) pairs (t, a) and (u, b) become (t, b) and (u, a) unless a token would have an expert twice;
/// enough such swaps of the token × expert graph lead to a uniform draw among all graphs of the same degrees.
///
/// - Source: Milo et al. 2003, arXiv cond-mat/0312028: about a hundred swaps an edge are safe, ten are usual; Connor
///   and Simberloff 1979.
package enum NullModel {
  /// Swaps that are tried for every (token, expert) pair.
  static let swapsPerPair = 10

  /// One draw.
  ///
  /// - Parameters:
  ///   - layer: with recorded sets.
  ///   - seed: of the draw.
  ///   - item: number of the draw.
  /// - Returns: the layer with shuffled sets, each ascending; loads and k are those of the recorded sets.
  package static func draw(_ layer: LayerProfile, seed: UInt64, item: Int) -> LayerProfile {
    var generator = SplitMix64(seed: seed, item: item)
    let k = layer.topK
    var sets = layer.sets
    sets.withUnsafeMutableBufferPointer { sets in
      for _ in 0..<sets.count * swapsPerPair {
        let (first, second) = (generator.below(sets.count), generator.below(sets.count))
        let (a, b) = (sets[first], sets[second])
        let (t, u) = (first / k * k, second / k * k)
        if t == u || a == b { continue }
        var isFree = true
        for slot in 0..<k where sets[t + slot] == b || sets[u + slot] == a { isFree = false }
        if isFree { (sets[first], sets[second]) = (b, a) }
      }
      for start in stride(from: 0, to: sets.count, by: k) {
        var row = UnsafeMutableBufferPointer(rebasing: sets[start..<start + k])
        row.sort()
      }
    }
    return layer.recounted(sets: sets, weights: [], documents: layer.documents)
  }
}

/// Mean and spread of a figure over draws.
public struct Spread: Sendable, Equatable, Codable {
  /// The mean.
  public let mean: Double
  /// Standard deviation between draws; 0 for one.
  public let deviation: Double
  /// The smallest and the largest.
  public let low, high: Double

  init(_ values: [Double]) {
    let count = Double(max(values.count, 1))
    let mean = values.reduce(0, +) / count
    self.mean = mean
    deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(count - 1, 1)).squareRoot()
    (low, high) = (values.min() ?? 0, values.max() ?? 0)
  }
}

/// A placement's gain beside what the same method gains where there is no structure.
///
///     gain = 1 − C_T[placed] / C_T[contiguous]           structural gain = gain − gain on the null model
///
/// The placement is fitted anew on every draw, and judged on what it was fitted on: what overfitting and uneven loads
/// alone would gain is the same on both sides.
public struct NullComparison: Sendable, Equatable, Encodable {
  /// Draws.
  public let draws: Int
  /// Recorded tokens that were drawn from and that `gain` is of.
  public let tokens: Int
  /// On the recorded sets.
  public let gain: Double
  /// On the draws.
  public let nullGain: Spread
  /// The difference; its spread is that of the draws.
  public let structuralGain: Spread
  /// E[C_T] of the placements fitted to the draws, and of contiguous groups.
  public let devicesPerToken, contiguous: Spread
  /// Of the placements fitted to the draws.
  public let remoteCopies, intraShare, imbalanceRows, imbalanceWire: Spread

  enum CodingKeys: String, CodingKey {
    case draws, tokens, gain, contiguous
    case nullGain = "null_gain"
    case structuralGain = "structural_gain"
    case devicesPerToken = "devices_per_token"
    case remoteCopies = "remote_copies"
    case intraShare = "intra_share"
    case imbalanceRows = "imbalance_rows"
    case imbalanceWire = "imbalance_wire"
  }

  /// Draws and fits.
  ///
  /// - Parameters:
  ///   - layer: with recorded sets.
  ///   - options: how.
  /// - Throws: `PlacementError` where no placement can be fitted.
  init(_ layer: LayerProfile, _ options: AnalysisOptions) throws(PlacementError) {
    let sample = layer.sample(options.nullTokens)
    let contiguous = PlacementMethod.contiguous(experts: layer.experts, devices: options.devices)
    func fit(_ layer: LayerProfile) throws(PlacementError) -> (placed: CommunicationStatistics, contiguous: Double) {
      let placement = try options.method.place(layer, devices: options.devices, options: options.placement)
      return (
        CommunicationStatistics(
          layer, placement: placement, devices: options.devices, stepTokens: options.stepTokens),
        layer.devicesPerToken(contiguous, devices: options.devices)
      )
    }
    func gain(_ fitted: (placed: CommunicationStatistics, contiguous: Double)) -> Double {
      1 - fitted.placed.devicesPerToken / fitted.contiguous
    }
    let gain = gain(try fit(sample))
    var nulls: [(placed: CommunicationStatistics, contiguous: Double)] = []
    for draw in 0..<options.nullDraws {
      nulls.append(try fit(NullModel.draw(sample, seed: options.placement.seed, item: draw)))
    }
    let nullGains = nulls.map { 1 - $0.placed.devicesPerToken / $0.contiguous }
    (draws, tokens, self.gain) = (options.nullDraws, sample.recorded, gain)
    nullGain = Spread(nullGains)
    structuralGain = Spread(nullGains.map { gain - $0 })
    devicesPerToken = Spread(nulls.map(\.placed.devicesPerToken))
    self.contiguous = Spread(nulls.map(\.contiguous))
    remoteCopies = Spread(nulls.map(\.placed.remoteCopies))
    intraShare = Spread(nulls.map(\.placed.intraShare))
    imbalanceRows = Spread(nulls.map(\.placed.imbalanceRows))
    imbalanceWire = Spread(nulls.map(\.placed.imbalanceWire))
  }
}
