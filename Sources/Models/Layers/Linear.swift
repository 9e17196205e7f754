public import Tensors

/// A linear layer without bias: y = x · Wᵀ.
public struct Linear: Module {
  /// W, `[out, in]`.
  public var weight: Tensor
  /// A low-rank term that is added; nil for none.
  public var adapter: LowRankAdapter?

  /// A layer over the given weight, `[out, in]`.
  public init(weight: Tensor) { self.weight = weight }

  /// - Parameter x: `[..., in]`.
  /// - Returns: `[..., out]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let y = x.matMulTransposed(weight)
    return adapter.map { y + $0(x) } ?? y
  }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try body(path["weight"], &weight)
    try adapter?.visit(path, body)
  }

  /// The layer's adapter is that of its path's role.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    adapter = settings.roles[path.role].map { LowRankAdapter(out: weight.rows, input: weight.columns, $0) }
  }
}

/// Root-mean-square normalisation with a weight: y = w ⊙ x / √(mean(x²) + ε).
public struct RMSNorm: Module {
  /// w, `[n]`.
  public var weight: Tensor
  /// ε.
  public let epsilon: Float

  /// A norm over the given weight.
  public init(weight: Tensor, epsilon: Float) {
    self.weight = weight
    self.epsilon = epsilon
  }

  /// - Parameter x: `[..., n]`.
  /// - Returns: The same shape.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.rmsNorm(weight, epsilon: epsilon) }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows { try body(path["weight"], &weight) }

  /// Norms carry no adapters.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {}
}
