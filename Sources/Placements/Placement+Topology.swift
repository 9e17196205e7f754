public import Profiles

/// What a placement may be told beyond one level of equal devices.
public struct TopologyOptions: Sendable, Equatable {
  /// N, a divisor of D.
  public var nodes: Int
  /// What a copy to a node costs beside one to a device.
  public var nodeCost: Double
  /// R: further experts on each device.
  public var replicas: Int

  /// The defaults: one node, no replicas.
  ///
  /// - Parameters:
  ///   - nodes: N.
  ///   - nodeCost: of a copy to a node.
  ///   - replicas: R.
  public init(nodes: Int = 1, nodeCost: Double = PlacementMethod.defaultNodeCost, replicas: Int = 0) {
    self.nodes = nodes
    self.nodeCost = nodeCost
    self.replicas = replicas
  }
}

extension Placement {
  /// Makes π for every layer of a profile on nodes of devices, with replicas if asked for, and predictions of both
  /// levels.
  ///
  /// - Parameters:
  ///   - profile: what the experts do.
  ///   - devices: D, a divisor of E.
  ///   - method: how.
  ///   - options: seed, load cap, effort.
  ///   - topology: nodes and replicas; with one node and no replicas the same as without it.
  ///   - progress: called with the number of layers done.
  /// - Throws: `PlacementError` for what is impossible, or a profile without the recorded sets that method or replicas
  ///   need.
  public init(
    _ profile: CollaborationProfile, devices: Int, method: PlacementMethod, options: PlacementOptions,
    topology: TopologyOptions, progress: (Int) -> Void = { _ in }
  ) throws(PlacementError) {
    if topology.nodes == 1 && topology.replicas == 0 {
      try self.init(profile, devices: devices, method: method, options: options, progress: progress)
      return
    }
    var layers: [Layer] = []
    for layer in profile.layers {
      let expertDevice = try method.place(
        layer, nodes: topology.nodes, devices: devices, nodeCost: topology.nodeCost, options: options)
      layers.append(
        try Layer(
          layer, expertDevice: expertDevice, devices: devices, nodes: topology.nodes, replicas: topology.replicas))
      progress(layers.count)
    }
    try self.init(
      modelType: profile.modelType, experts: profile.experts, devices: devices, nodes: topology.nodes, layers: layers)
  }

  /// Means over layers of what the profile promises between nodes; `nil` on one node.
  public var meanNodePrediction: NodePrediction? {
    let known = layers.compactMap(\.predictedNodes)
    return known.isEmpty || known.count < layers.count ? nil : NodePrediction(mean: known)
  }

  /// Means over layers of what the profile promised before replicas; `nil` without any.
  public var meanPredictionWithoutReplicas: Prediction? {
    let known = layers.compactMap(\.predictedWithoutReplicas)
    return known.isEmpty || known.count < layers.count ? nil : .mean(known)
  }
}

extension Placement.Layer {
  /// Adds replicas to a layer's π, and predicts.
  init(
    _ profile: LayerProfile, expertDevice: [Int], devices: Int, nodes: Int, replicas: Int
  ) throws(PlacementError) {
    let plain = try Prediction(known: profile, placement: expertDevice, devices: devices)
    guard replicas != 0 else {
      let between =
        nodes > 1 && plain != nil
        ? try NodePrediction(profile, placement: expertDevice, devices: devices, nodes: nodes) : nil
      self.init(layer: profile.layer, expertDevice: expertDevice, predicted: plain, predictedNodes: between)
      return
    }
    let added = try Replica.choose(profile, placement: expertDevice, devices: devices, each: replicas)
    let covers = Covers(profile, placement: expertDevice, replicas: added, devices: devices, nodes: nodes)
    self.init(
      layer: profile.layer, expertDevice: expertDevice, predicted: covers.prediction,
      predictedNodes: nodes > 1 ? covers.nodePrediction : nil, replicas: added, predictedWithoutReplicas: plain)
  }

  /// Replicas are of known experts on devices that do not hold them, and as many on every device.
  func checkReplicas(devices: Int, each: Int, file: String) throws(PlacementError) {
    let replicas = replicas ?? []
    var held = Set(expertDevice.enumerated().map { [$0.offset, $0.element] })
    var counts = [Int](repeating: 0, count: devices)
    for replica in replicas {
      func fail(_ expected: String, _ found: String) -> PlacementError {
        .replica(file: file, layer: layer, expert: replica.expert, expected: expected, found: found)
      }
      guard expertDevice.indices.contains(replica.expert) else {
        throw fail("an expert in 0..<\(expertDevice.count)", "\(replica.expert)")
      }
      guard (0..<devices).contains(replica.device) else {
        throw fail("a device in 0..<\(devices)", "\(replica.device)")
      }
      guard held.insert([replica.expert, replica.device]).inserted else {
        throw fail("a device without that expert", "device \(replica.device), which holds it")
      }
      counts[replica.device] += 1
    }
    if let device = counts.firstIndex(where: { $0 != each }) {
      throw .unbalanced(
        file: file, layer: layer, device: device, expected: expertDevice.count / devices + each,
        found: expertDevice.count / devices + counts[device])
    }
  }
}
