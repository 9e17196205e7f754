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
    let (h, vocabulary, shape) = (columns, weight.rows, shape)
    checkTargets(targets, weight)
    let (x, w) = (storage, weight.storage)
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

  /// Cross-entropy of every row, and whether greedy decoding would have chosen its target; outside the graph.
  ///
  /// - Parameters:
  ///   - weight: `[vocabulary, hidden]`, float32 or bfloat16.
  ///   - targets: Class of each row.
  /// - Returns: ℓ_t in nats as in ``crossEntropy(projectedBy:targets:)``, and whether the target is the first of the
  ///   largest logits.
  public func scores(projectedBy weight: Tensor, targets: [Int32]) -> (losses: [Float], isBest: [Bool]) {
    checkTargets(targets, weight)
    var losses: [Float] = []
    let isBest = [Bool](unsafeUninitializedCapacity: targets.count) { best, count in
      count = targets.count
      losses = Kernels.crossEntropy(
        storage, weight.storage, targets, h: columns, vocabulary: weight.rows, dx: nil, dw: nil, best: best.baseAddress)
    }
    return (losses, isBest)
  }

  private func checkTargets(_ targets: [Int32], _ weight: Tensor) {
    precondition(
      weight.shape.count == 2 && weight.columns == columns && targets.count == rows,
      "crossEntropy: x \(shape), weight \(weight.shape), \(targets.count) targets")
    precondition(
      targets.allSatisfy { 0 <= $0 && $0 < weight.rows },
      "crossEntropy: expected targets in 0..<\(weight.rows), found \(targets.min() ?? 0)...\(targets.max() ?? 0)")
  }

  private func scaled(by factor: Float) -> Tensor { factor == 1 ? self : self * factor }
}
