public import Profiles

/// What dispatch will cost before anyone rents devices: for each size, each way to send.
public struct Plan: Sendable, Equatable, Encodable {
  /// How many devices, and how they are used.
  public struct Size: Sendable, Equatable, Encodable {
    /// All of them.
    public let devices: Int
    /// D: devices that share one set of experts.
    public let expertParallel: Int
    /// Nodes that one such group spans.
    public let nodes: Int
    /// Groups, which see different data.
    public var replicas: Int { devices / expertParallel }

    enum CodingKeys: String, CodingKey {
      case devices, nodes
      case expertParallel = "expert_parallel"
      case replicas = "data_parallel"
    }

    /// Writes all four figures.
    ///
    /// - Parameter encoder: any.
    /// - Throws: the encoder's own error.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(devices, forKey: .devices)
      try container.encode(expertParallel, forKey: .expertParallel)
      try container.encode(nodes, forKey: .nodes)
      try container.encode(replicas, forKey: .replicas)
    }
  }

  /// How copies are sent.
  public enum Dispatch: String, Sendable, Codable {
    /// One copy per chosen expert, contiguous groups.
    case naive
    /// One copy per chosen expert, placed groups: all that placing changes where a profile has loads alone.
    case naivePlaced = "naive_placed"
    /// One copy per device, contiguous groups.
    case deduplicated
    /// One copy per device, placed groups.
    case placed
    /// Placed, and at most so many devices per token by policy `router`.
    case limited
  }

  /// One size and one way to send.
  public struct Row: Sendable, Equatable, Encodable {
    /// How many devices.
    public let size: Size
    /// How copies are sent.
    public let dispatch: Dispatch
    /// L of `limited`.
    public let deviceLimit: Int?
    /// Mean over layers.
    public let mean: LayerCost
    /// One a layer of the profile, in its order.
    public let layers: [LayerCost]
    /// Bytes of routed experts on a device, all layers.
    public let expertBytes: Double

    enum CodingKeys: String, CodingKey {
      case size, dispatch, mean, layers
      case deviceLimit = "device_limit"
      case expertBytes = "expert_bytes"
    }
  }

  /// The machine.
  public let topology: Topology
  /// The work.
  public let workload: Workload
  /// Absolute numbers of the layers, as in every row's `layers`.
  public let layers: [Int]
  /// Sizes in the order asked for, within one naive, de-duplicated, placed, limited by rising L.
  public let rows: [Row]

  /// Plans. Of a profile without recorded sets only what sends one copy per expert is known.
  ///
  /// - Parameters:
  ///   - profile: with recorded sets, or loads alone.
  ///   - topology: the machine.
  ///   - workload: the work.
  ///   - sizes: from `sizes`.
  ///   - limits: L to look at; those that change nothing (L ≥ D) or leave fewer than k experts are left out.
  ///   - place: π of every layer for D devices on N nodes, called once for each pair.
  /// - Throws: what `place` throws.
  public init(
    _ profile: CollaborationProfile, topology: Topology, workload: Workload, sizes: [Size], limits: [Int],
    place: (_ devices: Int, _ nodes: Int) throws -> [[Int]]
  ) throws {
    var rows: [Row] = []
    /// Traffic of each layer by way to send: what depends on the group alone, not on its replicas.
    var known: [Int: [(Dispatch, Int?, [Traffic])]] = [:]
    for size in sizes {
      let (devices, nodes) = (size.expertParallel, size.nodes)
      if known[devices] == nil {
        let contiguous = PlacementMethod.contiguous(experts: profile.experts, devices: devices)
        let placed = try place(devices, nodes)
        precondition(placed.count == profile.layers.count, "Plan: \(placed.count) placements")
        func each(_ dispatch: Dispatch, _ limit: Int?, _ make: (LayerProfile, Int) throws -> Traffic) rethrows {
          known[devices, default: []].append(
            (dispatch, limit, try profile.layers.enumerated().map { try make($1, $0) }))
        }
        each(.naive, nil) { layer, _ in .naive(layer, placement: contiguous, devices: devices, nodes: nodes) }
        if !profile.hasSets {
          each(.naivePlaced, nil) { .naive($0, placement: placed[$1], devices: devices, nodes: nodes) }
        } else {
          try each(.deduplicated, nil) { layer, _ in
            try Traffic(layer, placement: contiguous, devices: devices, nodes: nodes)
          }
          try each(.placed, nil) { layer, index in
            try Traffic(layer, placement: placed[index], devices: devices, nodes: nodes)
          }
        }
        for limit in profile.hasSets ? limits : []
        where limit < devices && limit * profile.experts / devices >= profile.topK {
          try each(.limited, limit) { layer, index in
            try Traffic(layer, placement: placed[index], devices: devices, nodes: nodes, limit: limit)
          }
        }
      }
      let group = LayerCost.Group(devices: devices, nodes: nodes, replicas: size.replicas)
      for (dispatch, limit, traffic) in known[devices] ?? [] {
        let costs = traffic.map {
          LayerCost(
            $0, group, experts: profile.experts, workload: workload, topology: topology,
            exchange: dispatch == .naive || dispatch == .naivePlaced ? .direct : topology.exchange)
        }
        rows.append(
          Row(
            size: size, dispatch: dispatch, deviceLimit: limit, mean: .mean(costs), layers: costs,
            expertBytes: workload.expertBytes * Double(profile.experts / devices * profile.layers.count)))
      }
    }
    self.topology = topology
    self.workload = workload
    layers = profile.layers.map(\.layer)
    self.rows = rows
  }

  /// The sizes that a plan looks at.
  ///
  /// - Parameters:
  ///   - experts: E.
  ///   - topology: the machine.
  ///   - devices: numbers of devices; empty for the expert-parallel sizes themselves or, without those, the powers of
  ///     two up to 1,024 that the machine has.
  ///   - expertParallel: D, divisors of E; empty for the largest that fits each number of devices. What is left over
  ///     becomes data-parallel replicas.
  /// - Returns: in the order asked for.
  /// - Throws: `PlanError` for sizes that cannot be.
  public static func sizes(
    experts: Int, topology: Topology, devices: [Int] = [], expertParallel: [Int] = []
  ) throws(PlanError) -> [Size] {
    for found in expertParallel where found < 1 || experts % found != 0 || topology.nodes(of: found) == nil {
      throw .expertParallel(
        found: found, experts: experts, topology: topology.name, devicesPerNode: topology.devicesPerNode)
    }
    var totals = devices.isEmpty ? expertParallel : devices
    if totals.isEmpty {
      totals = (1...10).map { 1 << $0 }.filter { topology.nodes(of: $0) != nil }
    }
    var sizes: [Size] = []
    for total in totals {
      guard total > 0, let spanned = topology.nodes(of: total) else {
        let whole = "a divisor of the \(topology.devicesPerNode) devices of a node"
        throw .devices(
          found: total,
          expected: topology.between == nil
            ? "\(whole) ('\(topology.name)' has one node)" : "\(whole), or whole nodes of '\(topology.name)'")
      }
      let fitting = (expertParallel.isEmpty ? (1...min(total, experts)).reversed() : expertParallel).filter {
        total % $0 == 0 && experts % $0 == 0 && topology.nodes(of: $0).map { $0 <= spanned } == true
      }
      let chosen = expertParallel.isEmpty ? Array(fitting.prefix(1)) : fitting
      if chosen.isEmpty {
        let words = expertParallel.map(String.init).joined(separator: ", ")
        throw .devices(found: total, expected: "a multiple of an expert-parallel size (\(words))")
      }
      sizes += chosen.map { Size(devices: total, expertParallel: $0, nodes: topology.nodes(of: $0) ?? 1) }
    }
    return sizes
  }
}

extension LayerCost {
  /// The mean over layers; shares are those of the whole.
  static func mean(_ costs: [LayerCost]) -> LayerCost {
    let count = Double(max(costs.count, 1))
    func mean(_ value: (LayerCost) -> Double) -> Double { costs.reduce(0) { $0 + value($1) } / count }
    let (forward, training) = (mean(\.forward), mean(\.training))
    return LayerCost(
      copies: mean(\.copies), nodeCopies: mean(\.nodeCopies), remoteInside: mean(\.remoteInside),
      remoteBetween: mean(\.remoteBetween), bytes: mean(\.bytes), imbalanceWire: mean(\.imbalanceWire),
      imbalanceRows: mean(\.imbalanceRows), allToAll: mean(\.allToAll), compute: mean(\.compute), forward: forward,
      training: training, forwardShare: forward > 0 ? mean { $0.forwardShare * $0.forward } / forward : 0,
      trainingShare: training > 0 ? mean { $0.trainingShare * $0.training } / training : 0)
  }

  private init(
    copies: Double, nodeCopies: Double, remoteInside: Double, remoteBetween: Double, bytes: Double,
    imbalanceWire: Double, imbalanceRows: Double, allToAll: Double, compute: Double, forward: Double, training: Double,
    forwardShare: Double, trainingShare: Double
  ) {
    self.copies = copies
    self.nodeCopies = nodeCopies
    self.remoteInside = remoteInside
    self.remoteBetween = remoteBetween
    self.bytes = bytes
    self.imbalanceWire = imbalanceWire
    self.imbalanceRows = imbalanceRows
    self.allToAll = allToAll
    self.compute = compute
    self.forward = forward
    self.training = training
    self.forwardShare = forwardShare
    self.trainingShare = trainingShare
  }
}
