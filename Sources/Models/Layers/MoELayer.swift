public import Routing
public import Tensors

/// The weights of a layer's experts, stacked.
public struct ExpertStack: Module {
  /// `[E, 2I, H]`: rows 0..<I are the gate, I..<2I the up projection.
  public var gateUp: Tensor
  /// `[E, H, I]`
  public var down: Tensor
  /// Low-rank terms that are added; nil for none.
  public var adapter: ExpertAdapter?

  /// Number of experts.
  public var experts: Int { gateUp.shape[0] }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try body(path["gate_up_proj"], &gateUp)
    try body(path["down_proj"], &down)
    try adapter?.visit(path, body)
  }

  /// The stack's adapter is that of its path's role, on the experts that the settings name.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    adapter = settings.roles[path.role].map {
      ExpertAdapter(self, experts: settings.experts(of: path.name, count: experts), $0)
    }
  }
}

/// Computes the experts of a layer that are not all in this process.
public protocol ExpertExecution: Sendable {
  /// Σ over the experts used of weight × output.
  ///
  /// - Parameters:
  ///   - x: `[tokens, hidden]`, this process's tokens.
  ///   - routing: Experts used, by original number, and their weights.
  ///   - experts: Those of this process, by rising original number.
  /// - Returns: `[tokens, hidden]`.
  func callAsFunction(_ x: Tensor, _ routing: LayerRouting, _ experts: ExpertStack) -> Tensor
}

/// A sparse mixture of experts under a routing rule.
///
///     p(x) = softmax(W_g x)
///     y(x) = Σ_{e ∈ S} w_e(x) · E_e(x) + shared(x)
///
/// S and the sources of w come from the rule; without a limit S is the family's own choice, for most Top-k(p).
///
/// - Source: Shazeer et al. 2017, eq. 1–2, noise left out; Luo et al. 2025 for the limit.
public struct MoELayer: FeedForward {
  /// Absolute number of the block that it is part of.
  public let number: Int
  /// W_g `[experts, hidden]`
  public var gate: Linear
  /// E_e
  public var experts: ExpertStack
  /// Experts that every token uses; nil where the family has none.
  public var shared: SharedExpert?
  /// Which experts a token uses.
  public var rule: RoutingRule
  /// How weights are scaled when the experts used are not the router's own.
  public var renormalization: Renormalization
  /// How the family scales the weights of the experts used.
  public let weighting: ExpertWeighting
  /// How the experts' outputs are computed; nil where all of them are in this process.
  public var execution: (any ExpertExecution)?
  /// Original number of the expert in each place, after a placement was applied; nil while places are numbers.
  ///
  /// Routing always speaks of original numbers, so ties, sums and statistics do not change with the placement.
  public private(set) var expertOrder: [Int]?

  /// A layer of the given parts, unlimited.
  public init(
    number: Int, gate: Linear, experts: ExpertStack, shared: SharedExpert? = nil, rule: RoutingRule,
    weighting: ExpertWeighting
  ) {
    (self.number, self.gate, self.experts, self.shared) = (number, gate, experts, shared)
    (self.rule, self.weighting) = (rule, weighting)
    renormalization = .model
  }

  /// - Parameters:
  ///   - x: `[tokens, hidden]`.
  ///   - batch: The tokens, where their numbers are not 0, 1, ….
  /// - Returns: y, `[tokens, hidden]`, and the routing that made it, for losses and profiling.
  public func callAsFunction(_ x: Tensor, batch: TokenBatch?) -> (y: Tensor, routing: LayerRouting?) {
    let routing = route(x, batch: batch)
    if let execution {
      let y = execution(x, routing, experts)
      return (shared.map { y + $0(x) } ?? y, routing)
    }
    let assignment = ExpertAssignment(places(routing.used), k: rule.topK, experts: experts.experts)
    let y = x.experts(
      assignment, weights: routing.weights, gateUp: experts.gateUp, down: experts.down,
      adapters: experts.adapter.map { ($0.gateUp, $0.down) })
    return (shared.map { y + $0(x) } ?? y, routing)
  }

  /// Moves experts and router rows so that place i holds the expert with number `order[i]`; the function is unchanged.
  ///
  /// - Parameter order: A permutation of the original expert numbers.
  public mutating func arrange(_ order: [Int]) {
    precondition(order.sorted() == Array(0..<rule.experts), "arrange: expected a permutation of 0..<\(rule.experts)")
    let current = expertOrder ?? Array(0..<rule.experts)
    let place = Dictionary(uniqueKeysWithValues: current.enumerated().map { ($1, $0) })
    let moves = order.map { Int32(place[$0, default: 0]) }
    func moved(_ weight: Tensor) -> Tensor { weight.stackRows(order.map { place[$0, default: 0] }) }
    gate.weight = moved(gate.weight)
    experts.gateUp = moved(experts.gateUp)
    experts.down = moved(experts.down)
    if let b = gate.adapter?.b { gate.adapter?.b = moved(b) }
    experts.adapter?.arrange(moves)
    expertOrder = order == Array(0..<rule.experts) ? nil : order
  }

  /// Drops the weights of all other experts; whoever computes the layer's outputs knows where those are.
  ///
  /// - Parameter numbers: Rising.
  public mutating func keep(experts numbers: [Int]) {
    precondition(expertOrder == nil, "keep: expected experts in their own order")
    experts.gateUp = experts.gateUp.stackRows(numbers)
    experts.down = experts.down.stackRows(numbers)
    experts.adapter?.keep(numbers)
  }

  /// Numbers of experts as places in the stack.
  func places(_ numbers: [Int32]) -> [Int32] {
    guard let expertOrder else { return numbers }
    var place = Array(repeating: Int32(0), count: expertOrder.count)
    for (index, number) in expertOrder.enumerated() { place[number] = Int32(index) }
    return numbers.map { $0 < 0 ? $0 : place[Int($0)] }
  }

  /// What the router decides for `x`.
  public func route(_ x: Tensor, batch: TokenBatch? = nil) -> LayerRouting {
    var logits = gate(x)
    if let expertOrder {
      var place = Array(repeating: Int32(0), count: expertOrder.count)
      for (index, number) in expertOrder.enumerated() { place[number] = Int32(index) }
      logits = logits.gatherColumns((0..<logits.rows).flatMap { _ in place }, k: rule.experts)
    }
    return routing(ofLogits: logits, batch: batch)
  }

  /// What becomes of the router's logits, `[tokens, experts]` in the order of original numbers.
  func routing(ofLogits logits: Tensor, batch: TokenBatch?) -> LayerRouting {
    LayerRouting(
      layer: number, logits: logits, rule: rule, renormalization: renormalization, weighting: weighting, batch: batch)
  }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try gate.visit(path["gate"].role(.router), body)
    try experts.visit(path["experts"].role(.experts), body)
    try shared?.visit(path, body)
  }

  /// Adapts router, experts and shared experts.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    gate.attachAdapters(path["gate"].role(.router), settings)
    experts.attachAdapters(path["experts"].role(.experts), settings)
    if let expertOrder { experts.adapter?.arrange(expertOrder.map(Int32.init)) }
    shared?.attachAdapters(path, settings)
  }
}

extension Tensor {
  /// The given places of a stack along its first axis, as they are stored.
  func stackRows(_ places: [Int]) -> Tensor {
    let rows = detached().reshaped([shape[0], count / max(shape[0], 1)])
    return rows.gatherRows(places.map(Int32.init)).stored(as: dtype).reshaped([places.count] + shape.dropFirst())
  }
}
