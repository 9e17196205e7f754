extension Tensor {
  /// Matrix product with a transposed right-hand side, as in a linear layer.
  ///
  ///     y = x · Wᵀ
  ///
  /// - Parameter weight: `[out, in]`, float32 or bfloat16.
  /// - Returns: `[..., out]` for `self` of shape `[..., in]`.
  public func matMulTransposed(_ weight: Tensor) -> Tensor {
    let (x, w) = (storage, weight.storage)
    let (m, n, k) = (rows, weight.rows, columns)
    precondition(
      weight.columns == k && weight.shape.count == 2,
      "matMulTransposed: x \(shape) has \(k) columns, weight \(weight.shape) takes \(weight.columns)")
    let shape = shape
    return .op(
      Kernels.linear(x, w, m: m, n: n, k: k), shape.dropLast() + [n],
      // dx = dy · W
      gradient { dy in Tensor(Kernels.product(dy.storage, Kernels.float32(w), m: m, n: k, k: n), shape) },
      // dW = dyᵀ · x
      weight.gradient { dy in
        Tensor(Kernels.product(dy.storage, transposeA: true, x, m: n, n: k, k: m), [n, k])
      })
  }

  /// Matrix product.
  ///
  ///     y = x · W
  ///
  /// - Parameter weight: `[in, out]`.
  /// - Returns: `[..., out]` for `self` of shape `[..., in]`.
  public func matMul(_ weight: Tensor) -> Tensor {
    let (x, w) = (storage, Kernels.float32(weight.storage))
    let (m, n, k) = (rows, weight.columns, columns)
    precondition(
      weight.rows == k && weight.shape.count == 2,
      "matMul: x \(shape) has \(k) columns, weight \(weight.shape) takes \(weight.rows)")
    let shape = shape
    return .op(
      Kernels.product(x, w, m: m, n: n, k: k), shape.dropLast() + [n],
      // dx = dy · Wᵀ
      gradient { dy in Tensor(Kernels.product(dy.storage, w, transposeB: true, m: m, n: k, k: n), shape) },
      // dW = xᵀ · dy
      weight.gradient { dy in
        Tensor(Kernels.product(x, transposeA: true, dy.storage, m: k, n: n, k: m), [k, n])
      })
  }
}

extension Kernels {
  /// `op(A) · op(B)`, `[m, n]`, of dense float32 operands; `k` is the extent that is added up.
  static func product(
    _ a: Storage, transposeA: Bool = false, _ b: Storage, transposeB: Bool = false, m: Int, n: Int, k: Int
  ) -> Storage {
    let out = Storage(m * n)
    defer { withExtendedLifetime((a, b)) {} }
    gemm(
      MatrixView(a.floats, stride: transposeA ? m : k, transposed: transposeA),
      MatrixView(b.floats, stride: transposeB ? k : n, transposed: transposeB), out.floats, stride: n, m: m, n: n, k: k)
    return out
  }
}
