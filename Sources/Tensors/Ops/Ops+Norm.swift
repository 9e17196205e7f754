internal import CKernels

extension Tensor {
  /// Root-mean-square normalisation over the last axis.
  ///
  ///     y = w ⊙ x / √(mean(x²) + ε)
  ///
  /// - Parameters:
  ///   - weight: `[n]`, float32 or bfloat16.
  ///   - epsilon: ε, added to the mean square.
  /// - Returns: The shape of `self`.
  /// - Source: Zhang and Sennrich 2019, eq. 4.
  public func rmsNorm(_ weight: Tensor, epsilon: Float) -> Tensor {
    let (rows, n, shape, x) = (rows, columns, shape, storage)
    precondition(weight.shape == [n], "rmsNorm: x \(shape) has \(n) columns, weight \(weight.shape)")
    let w = Kernels.float32(weight.storage)
    let (y, rstd) = (Storage(count), Storage(rows))
    defer { withExtendedLifetime((w, rstd)) {} }
    Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
      let start = $0.lowerBound * n
      ck_rmsnorm(x.floats + start, w.floats, epsilon, y.floats + start, rstd.floats + $0.lowerBound, $0.count, n)
    }
    return .op(
      y, shape,
      gradient { dy in
        let dx = Storage(rows * n)
        Parallel.blocks(rows, grain: Kernels.rowGrain(n)) {
          let start = $0.lowerBound * n
          ck_rmsnorm_backward(
            x.floats + start, w.floats, rstd.floats + $0.lowerBound, dy.storage.floats + start, dx.floats + start,
            $0.count, n)
        }
        return Tensor(dx, shape)
      },
      // dw = Σ_rows dy ⊙ x / rms: one partial sum per block of rows, added in their order.
      weight.gradient { dy in
        let grain = Kernels.rowGrain(n) * 4
        let blocks = (rows + grain - 1) / grain
        let partial = Storage.zeros(blocks * n)
        Parallel.run(blocks) { block in
          let range = block * grain..<min((block + 1) * grain, rows)
          let start = range.lowerBound * n
          ck_rmsnorm_backward_weight(
            x.floats + start, rstd.floats + range.lowerBound, dy.storage.floats + start, partial.floats + block * n,
            range.count, n)
        }
        return Tensor(Kernels.columnSums(partial, rows: blocks, columns: n), [n])
      })
  }
}
