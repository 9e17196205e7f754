internal import CKernels

extension Tensor {
  /// Softmax over the last axis.
  ///
  ///     y_i = exp(x_i - max x) / Σ_j exp(x_j - max x)
  public func softmax() -> Tensor {
    let (x, rows, n, shape) = (storage, rows, columns, shape)
    let y = Storage(count)
    Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
      ck_softmax(x.floats + $0.lowerBound * n, y.floats + $0.lowerBound * n, $0.count, n)
    }
    return .op(
      y, shape,
      // dx = y ⊙ (dy - ⟨y, dy⟩)
      gradient { dy in
        let dx = Storage(rows * n)
        Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
          let start = $0.lowerBound * n
          ck_softmax_backward(y.floats + start, dy.storage.floats + start, dx.floats + start, $0.count, n)
        }
        return Tensor(dx, shape)
      })
  }

  /// log Σ exp over the last axis: `[..., n]` → `[...]`.
  public func logSumExp() -> Tensor {
    let (rows, n, value) = (rows, columns, detached())
    let out = Storage(rows)
    Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
      ck_logsumexp(value.storage.floats + $0.lowerBound * n, out.floats + $0.lowerBound, $0.count, n)
    }
    return .op(
      out, Array(shape.dropLast()),
      gradient { dy in value.softmax() * dy.reshaped(dy.shape + [1]) })
  }
}
