public import Collaboration

/// A placement and a limit for a whole model: what a checkpoint carries besides weights.
public struct RoutingSettings: Sendable, Equatable {
  /// Which device holds which expert, per layer.
  public var placement: Placement
  /// How tokens are brought within the limit.
  public var policy: RoutingPolicy
  /// L; nil lifts the limit.
  public var deviceLimit: Int?
  /// Whose probability weighs a substitute.
  public var weightSource: WeightSource
  /// Scale of the weights.
  public var renormalization: Renormalization
  /// ε of the adaptive policy: the share of top-k mass that a token may lose.
  public var epsilon: Double
  /// Seed of random policies.
  public var seed: UInt64

  /// Settings for all layers of a model.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert.
  ///   - policy: How tokens are brought within the limit.
  ///   - deviceLimit: L; nil for no limit.
  ///   - weightSource: Whose probability weighs a substitute.
  ///   - renormalization: Scale of the weights.
  ///   - epsilon: ε of the adaptive policy.
  ///   - seed: Seed of random policies.
  public init(
    placement: Placement, policy: RoutingPolicy = .none, deviceLimit: Int? = nil, weightSource: WeightSource = .own,
    renormalization: Renormalization = .model, epsilon: Double = 0.05, seed: UInt64 = 0
  ) {
    (self.placement, self.policy, self.deviceLimit) = (placement, policy, deviceLimit)
    (self.weightSource, self.renormalization) = (weightSource, renormalization)
    (self.epsilon, self.seed) = (epsilon, seed)
  }

  /// The same placement with the rule off: every token uses the model's own choice.
  public var unlimited: RoutingSettings { RoutingSettings(placement: placement, seed: seed) }

  /// The same settings under another limit.
  public func limited(to limit: Int?) -> RoutingSettings {
    var copy = self
    copy.deviceLimit = limit
    return copy
  }
}

extension LanguageModel {
  /// Puts every layer under a placement and a limit.
  ///
  /// - Parameter settings: Placement, policy and limit.
  /// - Throws: ``RoutingError`` when the limit leaves too few experts; ``PlacementError`` when a layer has no placement.
  public mutating func apply(_ settings: RoutingSettings) throws {
    for index in configuration.sparseLayers {
      layers[index].moe?.rule = try RoutingRule(
        experts: configuration.experts, topK: configuration.topK,
        placement: try settings.placement.expertDevice(layer: index), devices: settings.placement.devices,
        policy: settings.policy, deviceLimit: settings.deviceLimit, weightSource: settings.weightSource,
        epsilon: settings.epsilon, seed: settings.seed &+ UInt64(index), selection: configuration.selection)
      layers[index].moe?.renormalization = settings.renormalization
    }
  }

  /// The same model without any placement or limit.
  public func unlimited() -> LanguageModel {
    var copy = self
    for index in configuration.sparseLayers {
      copy.layers[index].moe?.rule = RoutingRule(
        experts: configuration.experts, topK: configuration.topK, selection: configuration.selection)
      copy.layers[index].moe?.renormalization = .model
    }
    return copy
  }

  /// Moves every layer's experts so that devices are contiguous groups; the function is unchanged.
  ///
  /// - Parameter placement: Which device holds which expert.
  /// - Throws: ``PlacementError`` when a layer has no placement.
  public mutating func arrange(_ placement: Placement) throws(PlacementError) {
    for index in configuration.sparseLayers {
      layers[index].moe?.arrange(Placement.Permutation(try placement.expertDevice(layer: index)).order)
    }
  }
}
