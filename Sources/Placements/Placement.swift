public import Profiles
internal import Routing

/// Which device holds which expert, per layer.
///
/// As a file (`occult-placement`, JSON) and as a value the same thing; `Placement+JSON` reads and writes it.
public struct Placement: Sendable, Equatable {
  /// What a file says it is.
  public static let format = "occult-placement"
  /// Of the file format.
  public static let version = 1

  /// π of one layer.
  public struct Layer: Sendable, Equatable, Codable {
    /// Absolute layer number.
    public let layer: Int
    /// `[E]`, expert → device.
    public let expertDevice: [Int]
    /// What the profile promises; `nil` where none was at hand.
    public let predicted: Prediction?
    /// The same between nodes; `nil` on one node.
    public let predictedNodes: NodePrediction?
    /// Further copies of experts; `nil` for none.
    public let replicas: [Replica]?
    /// What the profile promised without the replicas; `nil` without any.
    public let predictedWithoutReplicas: Prediction?
    /// How far it can be from the best; `nil` where nobody asked.
    public let certificate: Certificate?

    /// One layer's placement.
    ///
    /// - Parameters:
    ///   - layer: absolute layer number.
    ///   - expertDevice: `[E]`, expert → device.
    ///   - predicted: what the profile promises.
    ///   - predictedNodes: the same between nodes.
    ///   - replicas: further copies of experts.
    ///   - predictedWithoutReplicas: what the profile promised before.
    ///   - certificate: how far it can be from the best.
    public init(
      layer: Int, expertDevice: [Int], predicted: Prediction? = nil, predictedNodes: NodePrediction? = nil,
      replicas: [Replica]? = nil, predictedWithoutReplicas: Prediction? = nil, certificate: Certificate? = nil
    ) {
      self.layer = layer
      self.expertDevice = expertDevice
      self.predicted = predicted
      self.predictedNodes = predictedNodes
      self.replicas = replicas
      self.predictedWithoutReplicas = predictedWithoutReplicas
      self.certificate = certificate
    }

    enum CodingKeys: String, CodingKey {
      case layer, predicted, replicas, certificate
      case expertDevice = "expert_device"
      case predictedNodes = "predicted_nodes"
      case predictedWithoutReplicas = "predicted_without_replicas"
    }
  }

  /// The model's family; `nil` where it is not known.
  public let modelType: String?
  /// E.
  public let experts: Int
  /// D.
  public let devices: Int
  /// N: node n has devices n·D/N ..< (n + 1)·D/N.
  public let nodes: Int
  /// One entry per MoE layer, ascending by layer number.
  public let layers: [Layer]
  /// Swaps that `refined` proposed in each layer, with which it can be repeated; `nil` for its default or another
  /// method.
  public var proposals: Int?

  /// R: further experts on each device.
  public var replicasPerDevice: Int { (layers.first?.replicas?.count ?? 0) / devices }

  /// Checks sizes, range and balance.
  ///
  /// - Parameters:
  ///   - modelType: the model's family.
  ///   - experts: E.
  ///   - devices: D.
  ///   - nodes: N, a divisor of D.
  ///   - layers: π per layer.
  ///   - slack: accept devices with unequal numbers of experts.
  ///   - file: where it comes from, for messages.
  /// - Throws: `PlacementError` naming file, layer, expected and found.
  public init(
    modelType: String?, experts: Int, devices: Int, nodes: Int = 1, layers: [Layer], slack: Bool = false,
    file: String = "placement"
  ) throws(PlacementError) {
    guard (1...Most.experts).contains(experts) else {
      throw .malformed(
        file: file, path: "experts", expected: "an integer in 1...\(Most.experts)", found: "\(experts)")
    }
    guard (1...experts).contains(devices), slack || experts % devices == 0 else {
      throw .devices(file: file, experts: experts, found: devices)
    }
    guard nodes > 0, devices % nodes == 0 else { throw .nodes(file: file, devices: devices, found: nodes) }
    let layers = layers.sorted { $0.layer < $1.layer }
    for (before, after) in zip(layers, layers.dropFirst()) where before.layer == after.layer {
      throw .duplicateLayer(file: file, layer: after.layer)
    }
    for layer in layers {
      guard (0..<Most.layers).contains(layer.layer) else {
        throw .malformed(
          file: file, path: "layers", expected: "numbers of layers in 0..<\(Most.layers)", found: "\(layer.layer)")
      }
      guard layer.expertDevice.count == experts else {
        throw .size(file: file, layer: layer.layer, expected: experts, found: layer.expertDevice.count)
      }
      var counts = [Int](repeating: 0, count: devices)
      for (expert, device) in layer.expertDevice.enumerated() {
        guard (0..<devices).contains(device) else {
          throw .range(file: file, layer: layer.layer, expert: expert, devices: devices, found: device)
        }
        counts[device] += 1
      }
      if !slack, let device = counts.firstIndex(where: { $0 != experts / devices }) {
        throw .unbalanced(
          file: file, layer: layer.layer, device: device, expected: experts / devices, found: counts[device])
      }
      try layer.checkReplicas(devices: devices, each: (layers.first?.replicas?.count ?? 0) / devices, file: file)
    }
    self.modelType = modelType
    self.experts = experts
    self.devices = devices
    self.nodes = nodes
    self.layers = layers
  }

  /// Makes π for every layer of a profile, with predictions where it has recorded sets.
  ///
  /// - Parameters:
  ///   - profile: what the experts do.
  ///   - devices: D, a divisor of E.
  ///   - method: how.
  ///   - options: seed, load cap, effort.
  ///   - progress: called with the number of layers done.
  /// - Throws: `PlacementError` for impossible devices or cap, or a profile without the recorded sets that the method
  ///   needs.
  public init(
    _ profile: CollaborationProfile, devices: Int, method: PlacementMethod, options: PlacementOptions = .init(),
    progress: (Int) -> Void = { _ in }
  ) throws(PlacementError) {
    var layers: [Layer] = []
    // A cap holds for `refined` alone: what it promises is compared with what keeps the cap, the others with anything.
    var constraints = options
    if method != .refined { (constraints.loadCap, constraints.slack) = (nil, 0) }
    for layer in profile.layers {
      let expertDevice = try method.place(layer, devices: devices, options: options)
      layers.append(
        Layer(
          layer: layer.layer, expertDevice: expertDevice,
          predicted: try Prediction(known: layer, placement: expertDevice, devices: devices),
          certificate: options.certify && layer.recorded > 0
            ? Certificate(layer, placement: expertDevice, devices: devices, options: constraints) : nil))
      progress(layers.count)
    }
    try self.init(
      modelType: profile.modelType, experts: profile.experts, devices: devices, layers: layers,
      slack: constraints.slack > 0)
  }

  /// π of a layer of a model.
  ///
  /// - Parameters:
  ///   - layer: absolute layer number.
  ///   - file: where the placement comes from, for messages.
  /// - Returns: `[E]`, expert → device.
  /// - Throws: `PlacementError.missingLayer`.
  public func expertDevice(layer: Int, file: String = "placement") throws(PlacementError) -> [Int] {
    guard let found = layers.first(where: { $0.layer == layer }) else {
      throw .missingLayer(file: file, layer: layer, found: layers.map(\.layer))
    }
    return found.expertDevice
  }
}
