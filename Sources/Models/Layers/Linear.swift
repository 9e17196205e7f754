public import Tensors

/// A linear layer: y = x · Wᵀ + b.
public struct Linear: Module {
  /// W, `[out, in]`.
  public var weight: Tensor
  /// b, `[out]`; nil where there is none.
  public var bias: Tensor?
  /// A low-rank term that is added; nil for none.
  public var adapter: LowRankAdapter?

  /// A layer over the given weight, `[out, in]`, and bias, `[out]`.
  public init(weight: Tensor, bias: Tensor? = nil) {
    self.weight = weight
    self.bias = bias
  }

  /// - Parameter x: `[..., in]`.
  /// - Returns: `[..., out]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let y = x.matMulTransposed(weight)
    let sum = adapter.map { y + $0(x) } ?? y
    return bias.map { sum + $0 } ?? sum
  }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try body(path["weight"], &weight)
    if var held = bias.take() {  // held once, so that the optimizer may write in place
      defer { bias = held }
      try body(path["bias"], &held)
    }
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
