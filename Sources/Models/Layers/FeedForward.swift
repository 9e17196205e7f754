public import Tensors

/// What stands between a block's second norm and its residual sum: a sparse layer or a dense one.
public protocol FeedForward: Module {
  /// - Parameters:
  ///   - x: `[tokens, hidden]`.
  ///   - batch: The tokens, where their numbers are not 0, 1, ….
  /// - Returns: y, `[tokens, hidden]`, and the routing that made it; nil in a dense layer.
  func callAsFunction(_ x: Tensor, batch: TokenBatch?) -> (y: Tensor, routing: LayerRouting?)
}

extension FeedForward {
  /// The same of tokens with the numbers 0, 1, ….
  public func callAsFunction(_ x: Tensor) -> (y: Tensor, routing: LayerRouting?) { self(x, batch: nil) }
}

/// A gated feed-forward network: y = W_down · (silu(W_gate x) ⊙ W_up x).
///
/// - Source: Shazeer 2020, GLU variants, eq. 6.
public struct GatedMLP: Module {
  /// W_gate `[I, H]`
  public var gate: Linear
  /// W_up `[I, H]`
  public var up: Linear
  /// W_down `[H, I]`
  public var down: Linear

  /// - Parameter x: `[tokens, hidden]`.
  /// - Returns: `[tokens, hidden]`.
  public func callAsFunction(_ x: Tensor) -> Tensor { down(gate(x).silu() * up(x)) }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try gate.visit(path["gate_proj"], body)
    try up.visit(path["up_proj"], body)
    try down.visit(path["down_proj"], body)
  }

  /// Adapts the three projections.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    gate.attachAdapters(path["gate_proj"], settings)
    up.attachAdapters(path["up_proj"], settings)
    down.attachAdapters(path["down_proj"], settings)
  }
}

/// A dense layer among sparse ones: every token uses all of it.
public struct DenseLayer: FeedForward {
  /// The network.
  public var mlp: GatedMLP

  /// y, and no routing.
  public func callAsFunction(_ x: Tensor, batch: TokenBatch?) -> (y: Tensor, routing: LayerRouting?) { (mlp(x), nil) }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows { try mlp.visit(path.role(.sharedExperts), body) }

  /// Adapts the network.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    mlp.attachAdapters(path.role(.sharedExperts), settings)
  }
}

/// Experts that every token uses, as one network beside the routed ones; on every device, and in no count.
///
///     y = S(x), or σ(w_g · x) · S(x) where there is a gate
public struct SharedExpert: Module {
  /// What the family calls it: `shared_expert` or `shared_experts`.
  public let name: String
  /// S
  public var mlp: GatedMLP
  /// w_g `[1, H]`; nil where the output is not gated.
  public var gate: Linear?

  /// - Parameter x: `[tokens, hidden]`.
  /// - Returns: `[tokens, hidden]`.
  public func callAsFunction(_ x: Tensor) -> Tensor { gate.map { $0(x).sigmoid() * mlp(x) } ?? mlp(x) }

  /// Visits every parameter once; `path` is that of the layer.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try mlp.visit(path[name].role(.sharedExperts), body)
    try gate?.visit(path[name + "_gate"].role(.sharedExperts), body)
  }

  /// Adapts the network and its gate; `path` is that of the layer.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    mlp.attachAdapters(path[name].role(.sharedExperts), settings)
    gate?.attachAdapters(path[name + "_gate"].role(.sharedExperts), settings)
  }
}
