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

  /// Gated activation of a joint projection.
  ///
  ///     y = silu(g) ⊙ u,   [g | u] = x
  ///
  /// - Returns: `[..., n]` for `self` of shape `[..., 2n]`.
  /// - Source: Shazeer 2020, GLU variants, eq. 6.
  public func swiGLU() -> Tensor {
    precondition(columns % 2 == 0, "swiGLU: expected an even number of columns, found shape \(shape)")
    let (x, rows, n, shape) = (storage, rows, columns / 2, shape)
    let out = Storage(rows * n)
    Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
      ck_swiglu(x.floats + $0.lowerBound * 2 * n, nil, out.floats + $0.lowerBound * n, $0.count, n)
    }
    return .op(
      out, shape.dropLast() + [n],
      gradient { dy in
        let dx = Storage(rows * 2 * n)
        Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
          let (wide, narrow) = ($0.lowerBound * 2 * n, $0.lowerBound * n)
          ck_swiglu_backward(
            x.floats + wide, nil, dy.storage.floats + narrow, dx.floats + wide, nil, nil, $0.count, n)
        }
        return Tensor(dx, shape)
      })
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
