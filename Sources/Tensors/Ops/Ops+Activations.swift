internal import CKernels

extension Tensor {
  /// Sigmoid-weighted linear unit.
  ///
  ///     silu(x) = x / (1 + exp(-x))
  public func silu() -> Tensor {
    let x = storage
    let shape = shape
    return .op(
      Kernels.unary(x, ck_silu), shape,
      gradient { dy in Tensor(Kernels.binary(x, dy.storage, ck_silu_backward), shape) })
  }

  /// Logistic function.
  ///
  ///     sigmoid(x) = 1 / (1 + exp(-x))
  public func sigmoid() -> Tensor {
    let (y, shape) = (Kernels.unary(storage, ck_sigmoid), shape)
    return .op(y, shape, gradient { dy in Tensor(Kernels.binary(y, dy.storage, ck_sigmoid_backward), shape) })
  }

  /// Elements limited to `limit`; the gradient passes where nothing was cut.
  public func clamped(to limit: ClosedRange<Float>) -> Tensor {
    let (x, shape, low, high) = (storage, shape, limit.lowerBound, limit.upperBound)
    return .op(
      Kernels.unary(x) { ck_clamp($0, low, high, $1, $2) }, shape,
      gradient { dy in
        Tensor(Kernels.binary(x, dy.storage) { ck_clamp_backward($0, low, high, $1, $2, $3) }, shape)
      })
  }
}
