public import Tensors

/// A linear layer without bias: y = x · Wᵀ.
public struct Linear: Module {
  /// W, `[out, in]`.
  public var weight: Tensor

  /// A layer over the given weight, `[out, in]`.
  public init(weight: Tensor) { self.weight = weight }

  /// - Parameter x: `[..., in]`.
  /// - Returns: `[..., out]`.
  public func callAsFunction(_ x: Tensor) -> Tensor { x.matMulTransposed(weight) }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows { try body(path["weight"], &weight) }
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
}
