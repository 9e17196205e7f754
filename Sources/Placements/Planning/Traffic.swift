public import Profiles

/// What one token of a layer sends and sets to work, on average over recorded sets, before homes are taken off.
public struct Traffic: Sendable, Equatable {
  /// Copies per token at each device: `[D]`.
  public let deviceCopies: [Double]
  /// Copies per token at each node, where a node gets one for all its devices: `[N]`.
  public let nodeCopies: [Double]
  /// (token, expert) rows per token that each device computes: `[D]`.
  public let expertRows: [Double]

  /// C_T, or k for one copy per expert.
  public var copies: Double { deviceCopies.reduce(0, +) }
  /// Distinct nodes per token.
  public var nodes: Double { nodeCopies.reduce(0, +) }

  /// One copy per chosen expert, from the loads of the whole profile.
  ///
  /// - Parameters:
  ///   - layer: with loads.
  ///   - placement: π.
  ///   - devices: D.
  ///   - nodes: N, a divisor of D.
  /// - Returns: copies = k; each crosses the network on its own, so a node gets as many as its devices.
  public static func naive(_ layer: LayerProfile, placement: [Int], devices: Int, nodes: Int) -> Traffic {
    var rows = [Double](repeating: 0, count: devices)
    let total = layer.load.reduce(0, +)
    for (expert, device) in placement.enumerated() where total > 0 {
      rows[device] += Double(layer.load[expert]) / Double(total) * Double(layer.topK)
    }
    var nodeCopies = [Double](repeating: 0, count: nodes)
    for device in 0..<devices { nodeCopies[device / (devices / nodes)] += rows[device] }
    return Traffic(deviceCopies: rows, nodeCopies: nodeCopies, expertRows: rows)
  }

  /// One copy per distinct device, and at most `limit` devices if there is one.
  ///
  /// The devices kept are those of policy `router`, exactly: the walk by falling weight needs the chosen experts alone,
  /// and every kept device stays in use because its best expert is chosen again. Which experts replace the lost ones is
  /// not recorded; their rows are spread evenly over the kept devices, an approximation that touches `expertRows` only.
  ///
  /// - Parameters:
  ///   - layer: with recorded sets, and weights if there is a limit.
  ///   - placement: π.
  ///   - devices: D; node n has devices n·D/N ..< (n + 1)·D/N.
  ///   - nodes: N, a divisor of D.
  ///   - limit: L; `nil` for none.
  /// - Throws: `PlacementError.noRecordedSets`.
  public init(
    _ layer: LayerProfile, placement: [Int], devices: Int, nodes: Int, limit: Int? = nil
  ) throws(PlacementError) {
    guard layer.recorded > 0 else { throw .noRecordedSets(layer: layer.layer) }
    let (k, perNode) = (layer.topK, devices / nodes)
    var deviceHits = [Int](repeating: 0, count: devices)
    var nodeHits = [Int](repeating: 0, count: nodes)
    var rows = [Int](repeating: 0, count: devices)
    var spread = [Double](repeating: 0, count: devices)
    var lastOnDevice = [Int](repeating: -1, count: devices)
    var lastOnNode = [Int](repeating: -1, count: nodes)
    var kept: [Int] = []
    var order = Array(0..<k)
    for token in 0..<layer.recorded {
      kept.removeAll(keepingCapacity: true)
      let first = token * k
      if let limit, limit < k {
        // Falling weight, ties to the lower expert: sets are ascending, so to the earlier slot.
        order.sort { (layer.weights[first + $1], $0) < (layer.weights[first + $0], $1) }
        for slot in order where kept.count < limit {
          let device = placement[Int(layer.sets[first + slot])]
          if !kept.contains(device) { kept.append(device) }
        }
      } else {
        for slot in 0..<k {
          let device = placement[Int(layer.sets[first + slot])]
          if lastOnDevice[device] != token {
            lastOnDevice[device] = token
            kept.append(device)
          }
        }
      }
      for device in kept {
        deviceHits[device] += 1
        lastOnDevice[device] = token
        let node = device / perNode
        if lastOnNode[node] != token {
          lastOnNode[node] = token
          nodeHits[node] += 1
        }
      }
      var lost = 0
      for slot in 0..<k {
        let device = placement[Int(layer.sets[first + slot])]
        if lastOnDevice[device] == token { rows[device] += 1 } else { lost += 1 }
      }
      if lost > 0 {
        for device in kept { spread[device] += Double(lost) / Double(kept.count) }
      }
    }
    let tokens = Double(layer.recorded)
    deviceCopies = deviceHits.map { Double($0) / tokens }
    nodeCopies = nodeHits.map { Double($0) / tokens }
    expertRows = zip(rows, spread).map { (Double($0) + $1) / tokens }
  }

  /// Figures already at hand.
  package init(deviceCopies: [Double], nodeCopies: [Double], expertRows: [Double]) {
    self.deviceCopies = deviceCopies
    self.nodeCopies = nodeCopies
    self.expertRows = expertRows
  }
}
