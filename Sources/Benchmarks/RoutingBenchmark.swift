internal import Placements
internal import Profiles
internal import Routing
internal import Formats
internal import Models
internal import Tensors
internal import Training

/// Time of the routing decision under every policy, beside the time of the MoE layer it is made for.
///
/// A decision is everything between router logits and weights: softmax, choice, policy, weights. What a policy adds is
/// its decision's time less that of the plain choice.
public struct RoutingBenchmark: Sendable {
  /// One policy.
  public struct Row: Sendable, Equatable, Encodable {
    /// Its name, with its score where it has several.
    public let policy: String
    /// Milliseconds of the middle decision.
    public let milliseconds: Double
    /// What it adds to the plain choice.
    public let added: Double
    /// The same as a share of the layer's time.
    public let share: Double
    /// E[C_T] on the tokens of the measurement.
    public let devicesPerToken: Double
  }

  /// What was measured.
  public struct Report: Sendable, Equatable, Encodable {
    /// Milliseconds of the middle pass through the whole layer, without a limit.
    public let layerMilliseconds: Double
    /// Sizes in words.
    public let shape: String
    /// One row a policy.
    public let rows: [Row]
  }

  /// Sizes; one layer of them, one batch of `sequence` tokens.
  public let shape: BenchmarkShape
  /// D.
  public let devices: Int
  /// L.
  public let deviceLimit: Int
  /// Timed repetitions.
  public let steps: Int

  /// A measurement.
  ///
  /// - Parameters:
  ///   - shape: Sizes.
  ///   - devices: D, a divisor of the experts.
  ///   - deviceLimit: L.
  ///   - steps: Timed repetitions, at least one.
  public init(_ shape: BenchmarkShape, devices: Int, deviceLimit: Int, steps: Int) {
    precondition(steps > 0, "RoutingBenchmark: \(steps) steps")
    var one = shape
    (one.layers, one.batch) = (1, 1)
    (self.shape, self.devices, self.deviceLimit, self.steps) = (one, devices, deviceLimit, steps)
  }

  /// Measures the layer and every policy.
  ///
  /// - Throws: `ConfigurationError` for an impossible shape, `RoutingError` for an impossible limit.
  public func run() throws -> Report {
    let model = try shape.model(seed: 0)
    guard let moe = model.layers[0].moe else { preconditionFailure("RoutingBenchmark: the layer is sparse") }
    let x = model.layers[0].inputNorm(model.embedding.gatherRows(shape.tokens(shape.sequence, seed: 0).flatMap { $0 }))
    let logits = moe.gate(x)
    let layer = time { _ = moe(x) }
    let placement = PlacementMethod.contiguous(experts: shape.experts, devices: devices)
    func decide(_ rule: RoutingRule) -> LayerRouting {
      LayerRouting(layer: 0, logits: logits, rule: rule, renormalization: .model, weighting: moe.weighting)
    }
    let profile = profile(of: decide(moe.rule))
    var rows: [Row] = []
    for (policy, options) in Self.policies {
      var tables = try PolicyTables(
        profile, policy: policy == .outputSimilarity ? .similarity : policy, options: options, placement: placement,
        devices: devices)
      if policy == .similarity || policy == .outputSimilarity { tables.similarity = profile.cosineSimilarity }
      let rule = try RoutingRule(
        experts: shape.experts, topK: shape.topK, placement: placement, devices: devices, policy: policy,
        deviceLimit: deviceLimit, tables: tables, options: options)
      let milliseconds = time { _ = decide(rule) }
      let added = milliseconds - (rows.first?.milliseconds ?? milliseconds)
      rows.append(
        Row(
          policy: policy == .groupLimited ? "\(policy.rawValue) \(options.groupScore.rawValue)" : policy.rawValue,
          milliseconds: milliseconds, added: added, share: added / layer,
          devicesPerToken: devicesPerToken(decide(rule).used, placement)))
    }
    return Report(
      layerMilliseconds: layer,
      shape:
        "\(counted(shape.sequence, "token")), hidden \(shape.hidden), \(counted(shape.experts, "expert")) of \(shape.intermediate), top "
        + "\(shape.topK), L = \(deviceLimit) of \(counted(devices, "device"))", rows: rows)
  }

  /// Every policy; the plain choice first, which the others are compared with.
  private static var policies: [(RoutingPolicy, PolicyOptions)] {
    RoutingPolicy.allCases.flatMap { policy in
      policy == .groupLimited
        ? GroupScore.allCases.map { (policy, PolicyOptions(groupScore: $0)) } : [(policy, PolicyOptions())]
    }
  }

  /// The tokens' own profile, which tables are made from; its cosines stand in for output similarity.
  private func profile(of routing: LayerRouting) -> LayerProfile {
    var accumulator = ProfileAccumulator(experts: shape.experts, topK: shape.topK)
    accumulator.add(
      layer: 0, topK: routing.chosen, weights: routing.chosenWeights.elements, logits: routing.logits.elements,
      documents: [Int32](repeating: 0, count: shape.sequence))
    return accumulator.profile(modelType: nil, data: "random").layers[0]
  }

  private func devicesPerToken(_ used: [Int32], _ placement: [Int]) -> Double {
    let k = shape.topK
    let visited = stride(from: 0, to: used.count, by: k).reduce(0) { sum, row in
      sum + Set(used[row..<row + k].filter { $0 >= 0 }.map { placement[Int($0)] }).count
    }
    return Double(visited * k) / Double(used.count)
  }

  private func time(_ body: () -> Void) -> Double {
    body()
    let seconds = (0..<steps).map { _ in
      let begun = Clock.monotonic()
      body()
      return Clock.monotonic() - begun
    }
    return BenchmarkReport.Rates(seconds).median * 1e3
  }
}
