public import Placements
public import Profiles
public import Routing

/// A placement and a limit for a whole model: what a checkpoint carries besides weights.
public struct RoutingSettings: Sendable, Equatable {
  /// Which device holds which expert, per layer.
  public var placement: Placement
  /// How tokens are brought within the limit.
  public var policy: RoutingPolicy
  /// L, in every layer; nil lifts the limit. Where layers differ, the largest.
  public var deviceLimit: Int? {
    didSet { layerLimits = nil }
  }
  /// L of each MoE layer in turn, where they differ; a new ``deviceLimit`` replaces them.
  public private(set) var layerLimits: [Int]?
  /// Whose probability weighs a substitute.
  public var weightSource: WeightSource
  /// Scale of the weights.
  public var renormalization: Renormalization
  /// Settings of single policies.
  public var options: PolicyOptions
  /// What the policy knows of each layer, by absolute number; none where it needs nothing.
  public var tables: [Int: PolicyTables]
  /// Seed of policies that draw.
  public var seed: UInt64

  /// Settings for all layers of a model.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert.
  ///   - policy: How tokens are brought within the limit.
  ///   - deviceLimit: L; nil for no limit.
  ///   - weightSource: Whose probability weighs a substitute.
  ///   - renormalization: Scale of the weights.
  ///   - options: Settings of single policies.
  ///   - tables: What the policy knows of each layer, by absolute number.
  ///   - seed: Seed of policies that draw.
  public init(
    placement: Placement, policy: RoutingPolicy = .none, deviceLimit: Int? = nil, weightSource: WeightSource = .own,
    renormalization: Renormalization = .model, options: PolicyOptions = PolicyOptions(),
    tables: [Int: PolicyTables] = [:], seed: UInt64 = 0
  ) {
    (self.placement, self.policy, self.deviceLimit) = (placement, policy, deviceLimit)
    (self.weightSource, self.renormalization) = (weightSource, renormalization)
    (self.options, self.tables, self.seed) = (options, tables, seed)
  }

  /// The same placement with the rule off: every token uses the model's own choice.
  public var unlimited: RoutingSettings { RoutingSettings(placement: placement, seed: seed) }

  /// The same settings under another limit.
  public func limited(to limit: Int?) -> RoutingSettings {
    var copy = self
    copy.deviceLimit = limit
    return copy
  }

  /// The same settings under a limit for each MoE layer in turn.
  ///
  /// - Parameter limits: One for each layer of the placement.
  /// - Returns: A copy.
  /// - Throws: ``RoutingError`` when their number is another.
  public func limited(toLayers limits: [Int]) throws(RoutingError) -> RoutingSettings {
    guard limits.count == placement.layers.count else {
      throw .layerLimits(expected: placement.layers.count, found: limits.count)
    }
    var copy = limited(to: limits.max())
    if Set(limits).count > 1 { copy.layerLimits = limits }
    return copy
  }

  /// The same settings with the tables that the policy needs, made from a profile of the model.
  ///
  /// - Parameter profile: Of the same model.
  /// - Returns: A copy.
  /// - Throws: ``RoutingError`` when the profile lacks a layer or what a table is made from.
  public func tabled(_ profile: CollaborationProfile) throws(RoutingError) -> RoutingSettings {
    var copy = self
    copy.tables = [:]
    guard policy.needsTables else { return copy }
    for layer in placement.layers {
      guard let found = profile.layers.first(where: { $0.layer == layer.layer }), profile.experts == placement.experts
      else { throw .foreignProfile(layer: layer.layer, experts: placement.experts, found: profile.experts) }
      copy.tables[layer.layer] = try PolicyTables(
        found, policy: policy, options: options, placement: layer.expertDevice, devices: placement.devices)
    }
    return copy
  }

  /// The rule of every sparse layer, its number with it.
  ///
  /// - Parameter configuration: The model's sizes.
  /// - Returns: Layers in their order.
  /// - Throws: ``RoutingError`` when the limit leaves too few experts; ``PlacementError`` when a layer has no
  ///   placement.
  package func rules(_ configuration: ModelConfiguration) throws -> [(layer: Int, rule: RoutingRule)] {
    try configuration.sparseLayers.enumerated().map { place, index in
      let rule = try RoutingRule(
        experts: configuration.experts, topK: configuration.topK,
        placement: try placement.expertDevice(layer: index), devices: placement.devices, policy: policy,
        deviceLimit: layerLimits?[place] ?? deviceLimit, tables: tables[index] ?? PolicyTables(),
        weightSource: weightSource, options: options, seed: seed &+ UInt64(index), selection: configuration.selection)
      return (index, rule)
    }
  }
}

extension LanguageModel {
  /// Puts every layer under a placement and a limit.
  ///
  /// - Parameter settings: Placement, policy and limit.
  /// - Throws: ``RoutingError`` when the limit leaves too few experts; ``PlacementError`` when a layer has no
  ///   placement.
  public mutating func apply(_ settings: RoutingSettings) throws {
    for (index, rule) in try settings.rules(configuration) {
      layers[index].moe?.rule = rule
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
