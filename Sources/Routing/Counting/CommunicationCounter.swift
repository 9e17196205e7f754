/// Accumulates communication over tokens, layers and steps.
///
///     counter.add(layer: 0, chosen: …, used: …, …)   // any number of times
///     counter.endStep()                              // imbalance is a mean over steps
///     counter.statistics()                           // all layers; statistics(layer: i) for one
///
/// Counts are integers. Ranks that share a step exchange `step` (all-reduce the tallies) before `endStep`.
public struct CommunicationCounter: Sendable {
  /// D.
  public let devices: Int
  /// k.
  public let topK: Int
  /// π of each layer.
  public let placements: [[Int]]
  /// The nodes that the devices are on.
  public let layout: NodeLayout
  /// Whether tokens' homes are given or expected.
  public let home: CommunicationTally.Home
  /// The tallies of the step under way, one per layer.
  public private(set) var step: [CommunicationTally]

  private var totals: [LayerTotals]

  /// Sums over finished steps of one layer.
  package struct LayerTotals: Sendable, Equatable {
    var tally: CommunicationTally
    /// Σ over steps of max/mean, and the number of steps that had rows to compare.
    var rowsImbalance = 0.0
    var rowSteps = 0
    var wireImbalance = 0.0
    var wireSteps = 0

    mutating func end(_ step: CommunicationTally) {
      if let imbalance = Self.imbalance(step.rowsPerDevice) {
        rowsImbalance += imbalance
        rowSteps += 1
      }
      if let imbalance = Self.imbalance(step.receivedPerDevice) {
        wireImbalance += imbalance
        wireSteps += 1
      }
      tally += step
    }

    static func += (left: inout Self, right: Self) {
      left.tally += right.tally
      left.rowsImbalance += right.rowsImbalance
      left.rowSteps += right.rowSteps
      left.wireImbalance += right.wireImbalance
      left.wireSteps += right.wireSteps
    }

    /// max/mean, or `nil` where there is nothing to compare.
    package static func imbalance(_ counts: [Int]) -> Double? {
      let sum = counts.reduce(0, +)
      guard sum > 0, let most = counts.max() else { return nil }
      return Double(most * counts.count) / Double(sum)
    }
  }

  /// Nothing counted yet.
  ///
  /// - Parameters:
  ///   - devices: D.
  ///   - topK: k.
  ///   - placements: π of each layer, expert → device.
  ///   - home: whether tokens' homes will be given.
  ///   - nodes: N, a divisor of D; copies between nodes and inside them are counted apart.
  public init(devices: Int, topK: Int, placements: [[Int]], home: CommunicationTally.Home, nodes: Int = 1) {
    for (layer, placement) in placements.enumerated() {
      precondition(
        placement.allSatisfy { (0..<devices).contains($0) },
        "CommunicationCounter: layer \(layer): placement names a device outside 0..<\(devices)")
    }
    self.devices = devices
    self.topK = topK
    self.placements = placements
    self.home = home
    layout = NodeLayout(devices: devices, nodes: nodes)
    step = placements.map { _ in CommunicationTally(devices: devices) }
    totals = step.map { LayerTotals(tally: $0) }
  }

  /// Counts tokens of one layer in the step under way.
  ///
  /// - Parameters:
  ///   - layer: index into `placements`.
  ///   - chosen: S, `[tokens, k]`, the plain choice.
  ///   - used: S′, `[tokens, k]`, −1 where absent.
  ///   - probabilities: p, `[tokens, experts]`, for retained mass; `nil` leaves it out.
  ///   - homes: `[tokens]`, each token's device; `nil` exactly when homes are `expected`.
  public mutating func add(
    layer: Int, chosen: UnsafeBufferPointer<Int32>, used: UnsafeBufferPointer<Int32>,
    probabilities: UnsafeBufferPointer<Float>? = nil, homes: UnsafeBufferPointer<Int32>? = nil
  ) {
    precondition(
      (homes == nil) == (home == .expected), "CommunicationCounter: homes are \(home), yet a call says otherwise")
    step[layer].add(
      chosen: chosen, used: used, topK: topK, placement: placements[layer], layout: layout,
      probabilities: probabilities, homes: homes)
  }

  /// The same from arrays.
  ///
  /// - Parameters:
  ///   - layer: index into `placements`.
  ///   - chosen: S, `[tokens, k]`.
  ///   - used: S′, `[tokens, k]`.
  ///   - probabilities: p, `[tokens, experts]`, or `nil`.
  ///   - homes: `[tokens]`; `nil` exactly when homes are `expected`.
  public mutating func add(
    layer: Int, chosen: [Int32], used: [Int32], probabilities: [Float]? = nil, homes: [Int32]? = nil
  ) {
    chosen.withUnsafeBufferPointer { chosen in
      used.withUnsafeBufferPointer { used in
        withOptionalBuffer(probabilities) { probabilities in
          withOptionalBuffer(homes) { homes in
            add(layer: layer, chosen: chosen, used: used, probabilities: probabilities, homes: homes)
          }
        }
      }
    }
  }

  /// Replaces the step under way, as after a sum over ranks.
  ///
  /// - Parameter tallies: one per layer.
  public mutating func replaceStep(_ tallies: [CommunicationTally]) {
    precondition(tallies.count == step.count, "CommunicationCounter: \(tallies.count) tallies for \(step.count) layers")
    step = tallies
  }

  /// Closes the step under way: its imbalance enters the mean.
  public mutating func endStep() {
    for layer in totals.indices {
      totals[layer].end(step[layer])
      step[layer] = CommunicationTally(devices: devices)
    }
  }

  /// Adds what another counter of the same layers counted in steps of its own.
  ///
  /// - Parameter other: same devices, k, layers and homes.
  public mutating func merge(_ other: Self) {
    precondition(
      layout == other.layout && topK == other.topK && home == other.home && totals.count == other.totals.count,
      "CommunicationCounter: cannot merge \(totals.count) layers on \(devices) devices (top_k \(topK), \(home)) with "
        + "\(other.totals.count) on \(other.devices) (top_k \(other.topK), \(other.home))")
    for layer in totals.indices {
      totals[layer] += other.totals[layer]
      step[layer] += other.step[layer]
    }
  }

  /// Everything counted in one layer; a step under way counts as if it ended here.
  ///
  /// - Parameter layer: index into `placements`.
  /// - Returns: means per token.
  public func statistics(layer: Int) -> CommunicationStatistics {
    CommunicationStatistics(closed(layer), layout: layout, home: home)
  }

  /// Everything counted, as means per token and layer; a step under way counts as if it ended here.
  ///
  /// - Returns: means over all tokens of all layers; imbalance is the mean over layers and steps.
  public func statistics() -> CommunicationStatistics {
    var sum = LayerTotals(tally: CommunicationTally(devices: devices))
    for layer in totals.indices { sum += closed(layer) }
    return CommunicationStatistics(sum, layout: layout, home: home)
  }

  private func closed(_ layer: Int) -> LayerTotals {
    var closed = totals[layer]
    closed.end(step[layer])
    return closed
  }
}

/// Lends an array's memory, or nothing.
func withOptionalBuffer<Element>(_ array: [Element]?, _ body: (UnsafeBufferPointer<Element>?) -> Void) {
  guard let array else { return body(nil) }
  array.withUnsafeBufferPointer(body)
}
