public import Collaboration
public import Models

/// From a recipe's `routing` section to a placement and a limit for a model.
public enum RoutingPlan {
  /// The placement that a recipe asks for, from its file or computed from a profile.
  ///
  /// - Parameters:
  ///   - recipe: Its `routing` section.
  ///   - model: The model to place.
  ///   - profile: Called when the method needs one.
  /// - Returns: One device an expert, for every layer.
  /// - Throws: `PlacementError` when sizes do not fit; what `profile` throws.
  public static func placement(
    _ recipe: Recipe, _ model: LanguageModel, profile: () throws -> CollaborationProfile
  ) throws -> Placement {
    let (routing, configuration) = (recipe.routing, model.configuration)
    switch routing.placement {
    case .file(let path):
      return try placement(try Placement(path: path), configuration, file: path)
    case .method(let name):
      guard let method = PlacementMethod(rawValue: name.rawValue) else {
        preconditionFailure("RoutingPlan: placement methods of recipes and of Collaboration differ")
      }
      // Impossible numbers of devices are found before the profile is paid for.
      guard (1...configuration.experts).contains(routing.devices), configuration.experts % routing.devices == 0 else {
        throw PlacementError.devices(file: "routing.devices", experts: configuration.experts, found: routing.devices)
      }
      return try Placement(
        try profile(), devices: routing.devices, method: method,
        options: PlacementOptions(seed: UInt64(recipe.run.seed), loadCap: routing.loadCap))
    }
  }

  /// A placement from a file, checked against a model.
  ///
  /// - Parameters:
  ///   - placement: What the file holds.
  ///   - configuration: The model's sizes.
  ///   - file: Its path, for messages.
  /// - Returns: The same placement.
  /// - Throws: `PlacementError` when sizes do not fit or a layer is missing.
  static func placement(
    _ placement: Placement, _ configuration: ModelConfiguration, file: String
  ) throws(PlacementError) -> Placement {
    guard placement.experts == configuration.experts else {
      throw .size(
        file: file, layer: placement.layers.first?.layer ?? 0, expected: configuration.experts,
        found: placement.experts)
    }
    for layer in configuration.sparseLayers { _ = try placement.expertDevice(layer: layer, file: file) }
    return placement
  }

  /// Placement and limit together, checked against the model.
  ///
  /// - Parameters:
  ///   - recipe: Its `routing` section.
  ///   - placement: One device an expert.
  /// - Returns: Settings that a model can be put under.
  public static func settings(_ recipe: Recipe, _ placement: Placement) -> RoutingSettings {
    let routing = recipe.routing
    guard let policy = RoutingPolicy(rawValue: routing.policy.rawValue),
      let source = WeightSource(rawValue: routing.weightSource.rawValue),
      let renormalization = Renormalization(rawValue: routing.renormalize.rawValue)
    else { preconditionFailure("RoutingPlan: policies of recipes and of Collaboration differ") }
    return RoutingSettings(
      placement: placement, policy: policy, deviceLimit: routing.deviceLimit, weightSource: source,
      renormalization: renormalization, options: PolicyOptions(epsilon: routing.epsilon), seed: UInt64(recipe.run.seed))
  }

  /// Checks a limit against a model before any work: every placement method makes equal groups.
  ///
  /// - Parameters:
  ///   - recipe: Its `routing` section.
  ///   - configuration: The model's sizes.
  /// - Returns: The rule of a layer under a placement of equal groups, which knows ρ and whether it prunes at all.
  /// - Throws: `RoutingError` when devices and experts do not divide or the limit leaves too few experts.
  @discardableResult
  public static func check(_ recipe: Recipe, _ configuration: ModelConfiguration) throws(RoutingError) -> RoutingRule {
    let (experts, devices) = (configuration.experts, recipe.routing.devices)
    guard let policy = RoutingPolicy(rawValue: recipe.routing.policy.rawValue) else {
      preconditionFailure("RoutingPlan: policies of recipes and of Collaboration differ")
    }
    return try RoutingRule(
      experts: experts, topK: configuration.topK,
      placement: PlacementMethod.contiguous(experts: experts, devices: max(1, min(devices, experts))), devices: devices,
      policy: policy, deviceLimit: recipe.routing.deviceLimit,
      options: PolicyOptions(epsilon: recipe.routing.epsilon))
  }
}
