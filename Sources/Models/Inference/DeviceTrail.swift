public import Placements

/// Which devices the tokens of a text visit.
public struct DeviceTrail: Sendable, Equatable {
  /// Which device holds which expert.
  public let placement: Placement
  /// One a token, in the order of the text.
  public private(set) var tokens: [Visit] = []

  /// What a token's experts lie on, over all MoE layers.
  public struct Visit: Sendable, Equatable {
    /// Share of the routing weights that each device gets, `[D]`; sums to 1.
    public let shares: [Double]
    /// C_T, the distinct devices of a layer, mean over layers.
    public let devices: Double

    /// The device with the largest share, ties to the lower number.
    public var main: Int { shares.indices.max { (shares[$0], -$0) < (shares[$1], -$1) } ?? 0 }
  }

  /// No tokens yet.
  public init(_ placement: Placement) { self.placement = placement }

  /// Adds the tokens of a pass.
  ///
  /// - Parameter pass: Of the model whose experts the placement places.
  public mutating func add(_ pass: ForwardPass) {
    let count = pass.segments.last?.upperBound ?? 0
    var shares = [[Double]](repeating: [Double](repeating: 0, count: placement.devices), count: count)
    var devices = [Int](repeating: 0, count: count)
    for routing in pass.routing {
      guard let layer = placement.layers.first(where: { $0.layer == routing.layer }) else {
        preconditionFailure("DeviceTrail: no placement of layer \(routing.layer)")
      }
      let weights = routing.weights.elements
      for token in 0..<count {
        var visited: Set<Int> = []
        for slot in token * routing.k..<(token + 1) * routing.k where routing.used[slot] >= 0 {
          let device = layer.expertDevice[Int(routing.used[slot])]
          shares[token][device] += Double(weights[slot])
          visited.insert(device)
        }
        devices[token] += visited.count
      }
    }
    for (shares, devices) in zip(shares, devices) {
      let sum = shares.reduce(0, +)
      tokens.append(
        Visit(
          shares: sum > 0 ? shares.map { $0 / sum } : shares,
          devices: Double(devices) / Double(max(pass.routing.count, 1))))
    }
  }
}
