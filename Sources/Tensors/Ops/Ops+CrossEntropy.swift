internal import CKernels

extension Tensor {
  /// Cross-entropy of an output projection, without keeping logits.
  ///
  ///     ℓ_t = log Σ_v exp(z_tv) - z_t,target(t),   z = x · Wᵀ
  ///
  /// Rows are worked off in chunks: logits, losses and, where something is tracked, both gradients at once, so that no
  /// `[tokens, vocabulary]` array exists.
  ///
  /// - Parameters:
  ///   - weight: `[vocabulary, hidden]`, float32 or bfloat16.
  ///   - targets: Class of each row.
  /// - Returns: Σ_t ℓ_t as a scalar, and every ℓ_t in nats.
  public func crossEntropy(projectedBy weight: Tensor, targets: [Int32]) -> (sum: Tensor, losses: [Float]) {
    let (rows, h, vocabulary, shape) = (rows, columns, weight.rows, shape)
    precondition(
      weight.shape.count == 2 && weight.columns == h && targets.count == rows,
      "crossEntropy: x \(shape), weight \(weight.shape), \(targets.count) targets")
    precondition(
      targets.allSatisfy { 0 <= $0 && $0 < vocabulary },
      "crossEntropy: expected targets in 0..<\(vocabulary), found \(targets.min() ?? 0)...\(targets.max() ?? 0)")
    let (x, w) = (storage, Kernels.float32(weight.storage))
    let dx = isTracked ? Storage(x.count) : nil
    let dw = weight.isTracked ? Storage(weight.count) : nil
    if rows == 0, let dw { Kernels.fill(dw.floats, 0, dw.count) }
    let losses = Kernels.crossEntropy(x, w, targets, h: h, vocabulary: vocabulary, dx: dx, dw: dw)
    let sum = losses.reduce(0.0) { $0 + Double($1) }
    let total = Tensor.op(
      Tensor(Float(sum)).storage, [],
      dx.flatMap { dx in gradient { dy in Tensor(dx, shape).scaled(by: dy.scalar) } },
      dw.flatMap { dw in weight.gradient { dy in Tensor(dw, [vocabulary, h]).scaled(by: dy.scalar) } })
    return (total, losses)
  }

  private func scaled(by factor: Float) -> Tensor { factor == 1 ? self : self * factor }
}

extension Kernels {
  /// Rows that one task projects and scores: its logits and the weights stream through the second-level cache.
  private static let lossRows = 256
  /// Logits kept at a time, over all tasks.
  private static let lossElements = 4 << 20

  /// Losses of all rows; writes the gradients of their sum where storage is given.
  fileprivate static func crossEntropy(
    _ x: Storage, _ w: Storage, _ targets: [Int32], h: Int, vocabulary: Int, dx: Storage?, dw: Storage?
  ) -> [Float] {
    let rows = targets.count
    let chunk = max(lossRows, min(rows, lossElements / vocabulary / lossRows * lossRows))
    let logits = Storage(min(chunk, rows) * vocabulary)
    defer { withExtendedLifetime((x, w, logits, dx, dw)) {} }
    let scale: Float = dx != nil || dw != nil ? 1 : 0
    return [Float](unsafeUninitializedCapacity: rows) { losses, count in
      count = rows
      guard let losses = losses.baseAddress else { return }
      targets.withUnsafeBufferPointer { targets in
        guard let targets = targets.baseAddress else { return }
        for start in stride(from: 0, to: rows, by: chunk) {
          let size = min(chunk, rows - start)
          Parallel.blocks(size, grain: lossRows) { block in
            let (row, m) = (start + block.lowerBound, block.count)
            let z = logits.floats + block.lowerBound * vocabulary
            gemmSerial(
              MatrixView(x.floats + row * h, stride: h), MatrixView(w.floats, stride: h, transposed: true), z,
              stride: vocabulary, m: m, n: vocabulary, k: h)
            ck_cross_entropy(z, targets + row, scale, losses + row, m, vocabulary)
            if let dx {
              gemmSerial(
                MatrixView(z, stride: vocabulary), MatrixView(w.floats, stride: h), dx.floats + row * h, stride: h,
                m: m, n: h, k: vocabulary)
            }
          }
          if let dw {
            gemm(
              MatrixView(logits.floats, stride: vocabulary, transposed: true),
              MatrixView(x.floats + start * h, stride: h), dw.floats, stride: h, m: vocabulary, n: h, k: size,
              beta: start == 0 ? 0 : 1)
          }
        }
      }
    }
  }
}
