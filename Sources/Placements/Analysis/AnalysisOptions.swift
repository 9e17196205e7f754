public import Profiles
public import Routing

/// How a profile is analysed.
public struct AnalysisOptions: Sendable, Equatable {
  /// D.
  public var devices: Int
  /// How experts are placed.
  public var method: PlacementMethod
  /// Seed, load cap and effort of every placement that is fitted, and the seed of draws and splits.
  public var placement: PlacementOptions
  /// Draws of the null model; 0 leaves it out.
  public var nullDraws: Int
  /// Most recorded tokens of a layer, evenly spread, that the null model is drawn from.
  public var nullTokens: Int
  /// Recorded tokens that count as one step in figures of imbalance.
  public var stepTokens: Int

  /// The defaults of the command.
  ///
  /// - Parameters:
  ///   - devices: D.
  ///   - method: how experts are placed.
  ///   - placement: seed, load cap and effort.
  ///   - nullDraws: draws of the null model.
  ///   - nullTokens: most recorded tokens of a layer that it is drawn from.
  ///   - stepTokens: recorded tokens in a step.
  public init(
    devices: Int, method: PlacementMethod = .refined, placement: PlacementOptions = .init(proposals: 50_000),
    nullDraws: Int = 20, nullTokens: Int = 20_000, stepTokens: Int = 1024
  ) {
    (self.devices, self.method, self.placement) = (devices, method, placement)
    (self.nullDraws, self.nullTokens, self.stepTokens) = (nullDraws, nullTokens, stepTokens)
  }
}

extension CommunicationStatistics {
  /// What a placement makes of a layer's recorded sets: homes are `expected`, imbalances are means over steps.
  ///
  /// Where a profile recorded a sample of its tokens, a step spans more text than its tokens.
  ///
  /// - Parameters:
  ///   - layer: with recorded sets.
  ///   - placement: π, expert → device.
  ///   - devices: D.
  ///   - stepTokens: recorded tokens in a step; what is left over is spread over the steps.
  public init(_ layer: LayerProfile, placement: [Int], devices: Int, stepTokens: Int) {
    var counter = CommunicationCounter(devices: devices, topK: layer.topK, placements: [placement], home: .expected)
    let steps = max(1, layer.recorded / max(stepTokens, 1))
    layer.sets.withUnsafeBufferPointer { sets in
      for step in 0..<steps {
        let rows = step * layer.recorded / steps * layer.topK..<(step + 1) * layer.recorded / steps * layer.topK
        let part = UnsafeBufferPointer(rebasing: sets[rows])
        counter.add(layer: 0, chosen: part, used: part)
        counter.endStep()
      }
    }
    self = counter.statistics(layer: 0)
  }
}
