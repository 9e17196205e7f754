internal import CKernels

extension Kernels {
  /// Rows that one task projects and scores: its logits and the weights stream through the second-level cache.
  private static let lossRows = 256
  /// Logits kept at a time, over all tasks, and elements of the projection that are converted at a time.
  private static let lossElements = 4 << 20

  /// Losses of all rows; writes the gradients of their sum where storage is given.
  ///
  /// - Parameters:
  ///   - x: `[rows, h]`.
  ///   - w: `[vocabulary, h]`, float32 or bfloat16.
  ///   - targets: Class of each row.
  ///   - h: Width of a row.
  ///   - vocabulary: Number of classes.
  ///   - dx: Receives d Σ ℓ / d x.
  ///   - dw: Receives d Σ ℓ / d w.
  ///   - best: Receives whether the target is the first of the largest logits, for each row.
  /// - Returns: One loss a row.
  static func crossEntropy(
    _ x: Storage, _ w: Storage, _ targets: [Int32], h: Int, vocabulary: Int, dx: Storage?, dw: Storage?,
    best: UnsafeMutablePointer<Bool>? = nil
  ) -> [Float] {
    // So many classes that a few rows fill a chunk: then rows are too few to be shared out among threads.
    let isWide = vocabulary > lossElements / (4 * lossRows)
    let chunk = isWide ? lossRows : max(lossRows, min(targets.count, lossElements / vocabulary / lossRows * lossRows))
    let logits = Storage(min(chunk, targets.count) * vocabulary)
    let loss = ChunkLoss(
      x: x, w: isWide ? w : float32(w), h: h, vocabulary: vocabulary, logits: logits, dx: dx,
      best: best, scale: dx != nil || dw != nil ? 1 : 0)
    return [Float](unsafeUninitializedCapacity: targets.count) { losses, count in
      count = targets.count
      guard let losses = losses.baseAddress else { return }
      targets.withUnsafeBufferPointer { targets in
        guard let base = targets.baseAddress else { return }
        for start in stride(from: 0, to: targets.count, by: chunk) {
          let size = min(chunk, targets.count - start)
          isWide
            ? loss.byClasses(start, size, base, losses) : loss.byRows(start, size, base, losses, block: lossRows)
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

  /// One chunk of rows: their logits, losses, and what becomes of the logits in the gradient.
  private struct ChunkLoss {
    let x: Storage, w: Storage
    let h: Int, vocabulary: Int
    let logits: Storage
    let dx: Storage?
    let best: UnsafeMutablePointer<Bool>?
    let scale: Float

    /// Says of `count` rows from `row` on whether the target is the first of the largest logits `z`.
    private func markBest(_ z: UnsafePointer<Float>, _ targets: UnsafePointer<Int32>, _ row: Int, _ count: Int) {
      guard let best else { return }
      for index in 0..<count {
        let (logits, target) = (z + index * vocabulary, Int(targets[row + index]))
        var isBest = true
        for other in 0..<target where logits[other] >= logits[target] { isBest = false }
        for other in target + 1..<vocabulary where logits[other] > logits[target] { isBest = false }
        best[row + index] = isBest
      }
    }

    /// Each task works off a block of rows from logits to their gradient.
    func byRows(
      _ start: Int, _ size: Int, _ targets: UnsafePointer<Int32>, _ losses: UnsafeMutablePointer<Float>, block: Int
    ) {
      defer { withExtendedLifetime((x, w, logits, dx)) {} }
      Parallel.blocks(size, grain: block) { block in
        let (row, m) = (start + block.lowerBound, block.count)
        let z = logits.floats + block.lowerBound * vocabulary
        gemmSerial(
          MatrixView(x.floats + row * h, stride: h), MatrixView(w.floats, stride: h, transposed: true), z,
          stride: vocabulary, m: m, n: vocabulary, k: h)
        markBest(z, targets, row, m)
        ck_cross_entropy(z, targets + row, scale, losses + row, m, vocabulary)
        if let dx {
          gemmSerial(
            MatrixView(z, stride: vocabulary), MatrixView(w.floats, stride: h), dx.floats + row * h, stride: h,
            m: m, n: h, k: vocabulary)
        }
      }
    }

    /// All tasks together work off a block of classes: bfloat16 weights are converted a block at a time.
    func byClasses(
      _ start: Int, _ size: Int, _ targets: UnsafePointer<Int32>, _ losses: UnsafeMutablePointer<Float>
    ) {
      defer { withExtendedLifetime((x, w, logits, dx)) {} }
      eachBlock { first, count, weights in
        gemm(
          MatrixView(x.floats + start * h, stride: h), MatrixView(weights, stride: h, transposed: true),
          logits.floats + first, stride: vocabulary, m: size, n: count, k: h)
      }
      Parallel.blocks(size, grain: 16) { rows in
        markBest(
          logits.floats + rows.lowerBound * vocabulary, targets, start + rows.lowerBound, rows.count)
        ck_cross_entropy(
          logits.floats + rows.lowerBound * vocabulary, targets + start + rows.lowerBound, scale,
          losses + start + rows.lowerBound, rows.count, vocabulary)
      }
      guard let dx else { return }
      eachBlock { first, count, weights in
        gemm(
          MatrixView(logits.floats + first, stride: vocabulary), MatrixView(weights, stride: h),
          dx.floats + start * h, stride: h, m: size, n: h, k: count, beta: first == 0 ? 0 : 1)
      }
    }

    /// Calls `body` with the first class of a block, how many it has, and their weights in float32.
    private func eachBlock(_ body: (Int, Int, UnsafePointer<Float>) -> Void) {
      let block = max(256, lossElements / max(h, 1))
      let scratch = w.dtype == .bfloat16 ? Storage(min(block, vocabulary) * h) : nil
      defer { withExtendedLifetime(scratch) {} }
      for first in stride(from: 0, to: vocabulary, by: block) {
        let count = min(block, vocabulary - first)
        guard let scratch else {
          body(first, count, w.floats + first * h)
          continue
        }
        let source = w.halves + first * h
        Parallel.blocks(count * h, grain: grain) {
          ck_bf16_to_f32(source + $0.lowerBound, scratch.floats + $0.lowerBound, $0.count)
        }
        body(first, count, scratch.floats)
      }
    }
  }
}
