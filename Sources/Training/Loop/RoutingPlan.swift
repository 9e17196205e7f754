public import Placements
public import Profiles
public import Routing
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
      return try placement(try Placement(path: path), configuration, file: path, nodes: recipe.parallel.nodes)
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
        options: PlacementOptions(seed: UInt64(recipe.run.seed), loadCap: routing.loadCap),
        topology: TopologyOptions(nodes: recipe.parallel.nodes))
    }
  }

  /// A placement from a file, checked against a model.
  ///
  /// - Parameters:
  ///   - placement: What the file holds.
  ///   - configuration: The model's sizes.
  ///   - file: Its path, for messages.
  ///   - nodes: N, which has to divide its devices.
  /// - Returns: The same placement.
  /// - Throws: `PlacementError` when sizes do not fit or a layer is missing.
  static func placement(
    _ placement: Placement, _ configuration: ModelConfiguration, file: String, nodes: Int = 1
  ) throws(PlacementError) -> Placement {
    guard placement.devices % nodes == 0 else { throw .nodes(file: file, devices: placement.devices, found: nodes) }
    guard placement.experts == configuration.experts else {
      throw .size(
        file: file, layer: placement.layers.first?.layer ?? 0, expected: configuration.experts,
        found: placement.experts)
    }
    for layer in configuration.sparseLayers { _ = try placement.expertDevice(layer: layer, file: file) }
    return placement
  }

  /// Placement, limit and tables together.
  ///
  /// - Parameters:
  ///   - recipe: Its `routing` section.
  ///   - placement: One device an expert.
  ///   - profile: Called when the policy needs tables.
  /// - Returns: Settings that a model can be put under; a budget of `device_limit` is not spent yet, see
  ///   ``LimitSearch``.
  /// - Throws: `RoutingError` when the profile lacks what a table is made from; what `profile` throws.
  public static func settings(
    _ recipe: Recipe, _ placement: Placement, profile: () throws -> CollaborationProfile
  ) throws -> RoutingSettings {
    let settings = try untabled(recipe, placement)
    return settings.policy.needsTables ? try settings.tabled(try profile()) : settings
  }

  /// Tokens of a layer on which a profile for this recipe compares the outputs of experts: none unless its policy asks.
  public static func outputSimilarityTokens(_ recipe: Recipe) -> Int {
    recipe.routing.policy == .outputSimilarity ? 512 : 0
  }

  /// Whether the policy of a recipe is made from a profile.
  static func needsTables(_ recipe: Recipe) -> Bool {
    RoutingPolicy(rawValue: recipe.routing.policy.rawValue)?.needsTables == true
  }

  private static func untabled(_ recipe: Recipe, _ placement: Placement) throws(RoutingError) -> RoutingSettings {
    let routing = recipe.routing
    guard let policy = RoutingPolicy(rawValue: routing.policy.rawValue),
      let source = WeightSource(rawValue: routing.weightSource.rawValue),
      let renormalization = Renormalization(rawValue: routing.renormalize.rawValue)
    else { preconditionFailure("RoutingPlan: policies of recipes and of Collaboration differ") }
    let settings = RoutingSettings(
      placement: placement, policy: policy, deviceLimit: routing.deviceLimit, weightSource: source,
      renormalization: renormalization, options: routing.options, seed: UInt64(recipe.run.seed))
    return try routing.layerLimits.map { limits throws(RoutingError) in try settings.limited(toLayers: limits) }
      ?? settings
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
    let routing = recipe.routing
    let layers = configuration.sparseLayers.count
    if let limits = routing.layerLimits, limits.count != layers {
      throw .layerLimits(expected: layers, found: limits.count)
    }
    func rule(_ limit: Int?) throws(RoutingError) -> RoutingRule {
      try RoutingRule(
        experts: experts, topK: configuration.topK,
        placement: PlacementMethod.contiguous(experts: experts, devices: max(1, min(devices, experts))),
        devices: devices, policy: policy, deviceLimit: limit,
        tables: PolicyTables(
          standInFor: policy, experts: experts, topK: configuration.topK, devices: devices),
        options: routing.options)
    }
    // The tightest limit has to hold; a budget alone says nothing of single layers.
    if let least = routing.layerLimits?.min() { _ = try rule(least) }
    return try rule(routing.limitBudget == nil ? routing.deviceLimit : devices)
  }
}

extension PolicyTables {
  /// Tables of the right size for a check before any text has been read.
  fileprivate init(standInFor policy: RoutingPolicy, experts: Int, topK: Int, devices: Int) {
    self.init()
    switch policy {
    case .similarity, .outputSimilarity: similarity = Array(repeating: 0, count: experts * experts)
    case .collaborationConstrained:
      partners = (0..<experts).flatMap { expert in (0..<experts).filter { $0 != expert }.map(Int32.init) }
    case .fewerExperts: keptExperts = Array(repeating: Double(topK), count: max(1, devices))
    case .none, .router, .mass, .bestMass, .adaptive, .groupLimited, .drop, .randomDevices: break
    }
  }
}
