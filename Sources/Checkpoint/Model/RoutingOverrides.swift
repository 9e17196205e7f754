internal import Placements
public import Routing
public import Models

/// What the command line says about routing, over what a checkpoint holds.
public struct RoutingOverrides: Sendable, Equatable {
  /// A limit as asked for.
  public enum Limit: Sendable, Equatable {
    /// Every device.
    case none
    /// At most so many.
    case devices(Int)
    /// At most so many in each MoE layer in turn.
    case layers([Int])
  }

  /// D; without a placement the experts lie in their own order.
  public var devices: Int?
  /// File of a placement.
  public var placement: String?
  /// How tokens are brought within the limit.
  public var policy: RoutingPolicy?
  /// L, or no limit.
  public var deviceLimit: Limit?
  /// File of a profile, from which the policy's tables are made.
  public var profile: String?

  /// Overrides; nil leaves what the checkpoint holds.
  public init(
    devices: Int? = nil, placement: String? = nil, policy: RoutingPolicy? = nil, deviceLimit: Limit? = nil,
    profile: String? = nil
  ) {
    self.profile = profile
    (self.devices, self.placement, self.policy, self.deviceLimit) = (devices, placement, policy, deviceLimit)
  }

  /// The routing that a model shall run under.
  ///
  /// A new limit without a policy, where the checkpoint has none either, means the paper's `router`.
  ///
  /// - Parameters:
  ///   - stored: What the checkpoint holds; nil for none.
  ///   - configuration: The model's sizes.
  /// - Returns: nil where neither says anything.
  /// - Throws: `PlacementError`, `RoutingError`, ``FileError`` or ``RoutingOverrideError``.
  public func settings(over stored: RoutingSettings?, _ configuration: ModelConfiguration) throws -> RoutingSettings? {
    guard var settings = try placed(stored, configuration) else {
      if case .devices(let limit) = deviceLimit { throw RoutingOverrideError.noDevices("--device-limit \(limit)") }
      if case .layers = deviceLimit { throw RoutingOverrideError.noDevices("--device-limit") }
      if let policy, policy != .none { throw RoutingOverrideError.noDevices("--policy \(policy.rawValue)") }
      return nil
    }
    switch deviceLimit {
    case nil: break
    case .some(.none): settings.deviceLimit = nil
    case .devices(let limit): settings.deviceLimit = limit
    case .layers(let limits): settings = try settings.limited(toLayers: limits)
    }
    if settings.policy == .none, deviceLimit != nil, deviceLimit != .some(.none) { settings.policy = .router }
    if let policy { settings.policy = policy }
    // Tables are those of one policy, and numbers of experts to keep those of one placement.
    if settings.policy != stored?.policy { settings.tables = [:] }
    if settings.placement != stored?.placement {
      settings.tables = settings.tables.mapValues {
        PolicyTables(similarity: $0.similarity, partners: $0.partners)
      }
    }
    if let profile { settings = try settings.tabled(try ProfileFile.read(profile)) }
    return settings
  }

  private func placed(_ stored: RoutingSettings?, _ configuration: ModelConfiguration) throws -> RoutingSettings? {
    var placement: Placement
    if let file = self.placement {
      placement = try Placement(path: file)
      if let devices, devices != placement.devices {
        throw RoutingOverrideError.devices(file: file, asked: devices, found: placement.devices)
      }
      guard placement.experts == configuration.experts else {
        throw PlacementError.model(file: file, expected: configuration.experts, found: placement.experts)
      }
      for layer in configuration.sparseLayers { _ = try placement.expertDevice(layer: layer, file: file) }
    } else if let devices {
      if let stored, stored.placement.devices == devices { return stored }
      guard (1...configuration.experts).contains(devices), configuration.experts % devices == 0 else {
        throw PlacementError.devices(file: "--devices", experts: configuration.experts, found: devices)
      }
      let order = PlacementMethod.contiguous(experts: configuration.experts, devices: devices)
      placement = try Placement(
        modelType: configuration.modelType, experts: configuration.experts, devices: devices,
        layers: configuration.sparseLayers.map { Placement.Layer(layer: $0, expertDevice: order) })
    } else {
      return stored
    }
    guard var settings = stored else { return RoutingSettings(placement: placement) }
    settings.placement = placement
    return settings
  }
}

/// Why overrides do not fit together.
public enum RoutingOverrideError: Error, Equatable, CustomStringConvertible {
  /// A limit or policy without devices.
  case noDevices(String)
  /// A number of devices that is not the placement's.
  case devices(file: String, asked: Int, found: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .noDevices(let option):
      "\(option): expected devices that experts are placed on, found none; try --devices 4, or --placement FILE"
    case .devices(let file, let asked, let found):
      "\(file): expected \(asked) devices as --devices says, found \(found); try without --devices"
    }
  }
}

extension ModelFiles {
  /// Loads the model under the routing that the overrides leave.
  ///
  /// - Parameters:
  ///   - overrides: What replaces the routing of the file.
  ///   - device: The device whose experts are wanted, of a model that is placed; nil for all experts.
  /// - Returns: The model, and the routing it is under; nil for none.
  /// - Throws: ``FileError``, `PlacementError`, `RoutingError` or ``RoutingOverrideError``.
  public func model(
    overriding overrides: RoutingOverrides, device: Int? = nil
  ) throws -> (model: LanguageModel, routing: RoutingSettings?) {
    let settings = try overrides.settings(over: routing, configuration)
    var shard: ExpertShard?
    if let device {
      guard let placement = settings?.placement else { throw RoutingOverrideError.noDevices("mpirun") }
      shard = ExpertShard(placement, device: device, configuration)
    }
    var model = try weights(shard)
    if let settings { try model.apply(settings) }
    return (model, settings)
  }
}
