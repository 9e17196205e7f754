extension Tensor {
  /// KL divergence of a softmax from that of constant logits, summed over rows.
  ///
  ///     ℓ = Σ_r τ² KL(p_r ‖ q_r),   p = softmax(target / τ),   q = softmax(self / τ)
  ///
  /// τ² keeps the size of the gradient where τ changes.
  ///
  /// - Parameters:
  ///   - target: Logits of the same shape; no gradient flows to them.
  ///   - temperature: τ.
  /// - Returns: A scalar.
  /// - Source: Hinton, Vinyals and Dean 2015, section 2.
  public func divergence(from target: Tensor, temperature: Float = 1) -> Tensor {
    precondition(shape == target.shape, "divergence: logits \(shape) from \(target.shape)")
    let (rows, n, shape) = (rows, columns, shape)
    let (dz, other, scratch) = (Storage(count), Storage(count), Storage(count))
    withElements { if let base = $0.baseAddress { dz.floats.update(from: base, count: count) } }
    target.withElements { if let base = $0.baseAddress { other.floats.update(from: base, count: count) } }
    var losses = [Double](repeating: 0, count: rows)
    Kernels.divergence(
      dz.floats, from: other.floats, scratch: scratch.floats, losses: &losses, rows: rows, n: n,
      temperature: temperature)
    return .op(
      Tensor(Float(losses.reduce(0, +))).storage, [],
      gradient { dy in Tensor(dz, shape) * dy.scalar })
  }

  /// The same for logits of output projections, without keeping them.
  ///
  ///     self · Wᵀ   from   target · W_targetᵀ
  ///
  /// Rows are worked off in chunks, logits and gradients at once, so that no `[tokens, vocabulary]` array exists.
  ///
  /// - Parameters:
  ///   - weight: `[vocabulary, hidden]`, float32 or bfloat16.
  ///   - target: Hidden states of the other model, `[tokens, hidden of its own]`.
  ///   - targetWeight: Its projection, `[vocabulary, hidden of its own]`.
  ///   - temperature: τ.
  /// - Returns: A scalar, Σ_r τ² KL(p_r ‖ q_r).
  public func divergence(
    projectedBy weight: Tensor, from target: Tensor, projectedBy targetWeight: Tensor, temperature: Float = 1
  ) -> Tensor {
    let (rows, h, other, classes, shape) = (rows, columns, target.columns, weight.rows, shape)
    precondition(
      weight.columns == h && targetWeight.columns == other && targetWeight.rows == classes && target.rows == rows,
      "divergence: x \(shape), weight \(weight.shape), target \(target.shape), its weight \(targetWeight.shape)")
    let w = Kernels.float32(weight.storage)
    let v = weight.storage === targetWeight.storage ? w : Kernels.float32(targetWeight.storage)
    let dx = isTracked ? Storage(count) : nil
    let dw = weight.isTracked ? Storage.zeros(weight.count) : nil
    let chunk = Kernels.divergenceRows(rows, classes: classes)
    let buffers = (0..<3).map { _ in Storage(chunk * classes) }
    let (z, t) = (buffers[0].floats, buffers[1].floats)
    var losses = [Double](repeating: 0, count: rows)
    for start in stride(from: 0, to: rows, by: chunk) {
      let size = min(chunk, rows - start)
      let x = storage.floats + start * h
      Kernels.gemm(
        MatrixView(x, stride: h), MatrixView(w.floats, stride: h, transposed: true), z, stride: classes,
        m: size, n: classes, k: h)
      Kernels.gemm(
        MatrixView(target.storage.floats + start * other, stride: other),
        MatrixView(v.floats, stride: other, transposed: true), t, stride: classes, m: size, n: classes, k: other)
      losses.withUnsafeMutableBufferPointer { losses in
        guard let base = losses.baseAddress else { return }
        Kernels.divergence(
          z, from: t, scratch: buffers[2].floats, losses: base + start, rows: size, n: classes,
          temperature: temperature)
      }
      if let dx {
        Kernels.gemm(
          MatrixView(z, stride: classes), MatrixView(w.floats, stride: h), dx.floats + start * h, stride: h,
          m: size, n: h, k: classes)
      }
      if let dw {
        Kernels.gemm(
          MatrixView(z, stride: classes, transposed: true), MatrixView(x, stride: h), dw.floats, stride: h,
          m: classes, n: h, k: size, beta: 1)
      }
    }
    withExtendedLifetime((self, target, w, v, buffers)) {}
    return .op(
      Tensor(Float(losses.reduce(0, +))).storage, [],
      dx.flatMap { dx in gradient { dy in Tensor(dx, shape) * dy.scalar } },
      dw.flatMap { dw in weight.gradient { dy in Tensor(dw, [classes, h]) * dy.scalar } })
  }
}
