internal import CKernels

/// Head counts and widths of an attention, and its loops over tiles.
package struct AttentionGeometry: Sendable {
  let heads: Int
  let kvHeads: Int
  /// d, the width of one head.
  let dimension: Int

  /// Query rows in one tile: its scores against a few thousand keys stay in the second-level cache.
  private static let tileRows = 64

  private var scale: Float { 1 / Float(dimension).squareRoot() }
  private var width: Int { heads * dimension }
  private var kvWidth: Int { kvHeads * dimension }

  /// Writes `out`, and `lse` `[heads, tokens]` where it is needed; every tile of every head is one task.
  func forward(q: Storage, k: Storage, v: Storage, out: Storage, lse: Storage?, segments: [Range<Int>]) {
    let tokens = out.count / width
    let tiles = segments.flatMap { segment in
      stride(from: segment.lowerBound, to: segment.upperBound, by: Self.tileRows).map {
        (segment: segment, rows: $0..<min($0 + Self.tileRows, segment.upperBound))
      }
    }
    let d = dimension
    // Longest tiles first: the last tasks to end are short.
    let order = tiles.indices.sorted {
      (tiles[$1].rows.upperBound - tiles[$1].segment.lowerBound, $0)
        < (tiles[$0].rows.upperBound - tiles[$0].segment.lowerBound, $1)
    }
    Parallel.run(tiles.count * heads) { task in
      let (tile, head) = (tiles[order[task / heads]], task % heads)
      let (first, rows) = (tile.segment.lowerBound, tile.rows)
      let columns = rows.upperBound - first
      let kv = head / (heads / kvHeads) * d
      let scores = Storage(rows.count * columns)
      defer { withExtendedLifetime(scores) {} }
      let s = scores.floats
      Kernels.gemmSerial(
        MatrixView(q.floats + rows.lowerBound * width + head * d, stride: width),
        MatrixView(k.floats + first * kvWidth + kv, stride: kvWidth, transposed: true), s, stride: columns,
        m: rows.count, n: columns, k: d)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.tileRows) { unused in
        let target = lse.map { $0.floats + head * tokens + rows.lowerBound } ?? unused.baseAddress.unsafelyUnwrapped
        ck_causal_softmax(s, scale, target, rows.count, rows.lowerBound - first + 1, columns, columns)
      }
      Kernels.gemmSerial(
        MatrixView(s, stride: columns), MatrixView(v.floats + first * kvWidth + kv, stride: kvWidth),
        out.floats + rows.lowerBound * width + head * d, stride: width, m: rows.count, n: d, k: columns)
    }
  }

  /// Writes `dq`, `dk`, `dv`; a task is one segment and key-value head, whose tiles add up in their order.
  func backward(
    q: Storage, k: Storage, v: Storage, out: Storage, lse: Storage, dy: Storage, dq: Storage, dk: Storage, dv: Storage,
    segments: [Range<Int>]
  ) {
    let tokens = q.count / width
    let (d, group) = (dimension, heads / kvHeads)
    let order = segments.indices.sorted { (segments[$1].count, $0) < (segments[$0].count, $1) }
    Parallel.run(segments.count * kvHeads) { task in
      let (segment, kvHead) = (segments[order[task / kvHeads]], task % kvHeads)
      let (first, kv) = (segment.lowerBound, kvHead * d)
      let keys = MatrixView(k.floats + first * kvWidth + kv, stride: kvWidth)
      let keysTransposed = MatrixView(keys.pointer, stride: kvWidth, transposed: true)
      let valuesTransposed = MatrixView(v.floats + first * kvWidth + kv, stride: kvWidth, transposed: true)
      let (keyGradient, valueGradient) = (dk.floats + first * kvWidth + kv, dv.floats + first * kvWidth + kv)
      for row in 0..<segment.count {
        (keyGradient + row * kvWidth).update(repeating: 0, count: d)
        (valueGradient + row * kvWidth).update(repeating: 0, count: d)
      }
      let tile = min(Self.tileRows, segment.count)
      let (probabilities, scoreGradients, delta) = (
        Storage(tile * segment.count), Storage(tile * segment.count), Storage(tile)
      )
      defer { withExtendedLifetime((probabilities, scoreGradients, delta)) {} }
      let (p, ds) = (probabilities.floats, scoreGradients.floats)
      for head in kvHead * group..<(kvHead + 1) * group {
        for start in stride(from: first, to: segment.upperBound, by: Self.tileRows) {
          let rows = start..<min(start + Self.tileRows, segment.upperBound)
          let (m, columns) = (rows.count, rows.upperBound - first)
          let at = start * width + head * d
          let (queries, outputGradients) = (
            MatrixView(q.floats + at, stride: width), MatrixView(dy.floats + at, stride: width)
          )
          Kernels.gemmSerial(queries, keysTransposed, p, stride: columns, m: m, n: columns, k: d)
          ck_causal_probabilities(
            p, scale, lse.floats + head * tokens + start, m, start - first + 1, columns, columns)
          // dV += Pᵀ · dO
          Kernels.gemmSerial(
            MatrixView(p, stride: columns, transposed: true), outputGradients, valueGradient, stride: kvWidth,
            m: columns, n: d, k: m, beta: 1)
          // dP = dO · Vᵀ;  dS = P ⊙ (dP - ⟨dO, O⟩)
          Kernels.gemmSerial(outputGradients, valuesTransposed, ds, stride: columns, m: m, n: columns, k: d)
          for row in 0..<m {
            ck_row_dots(dy.floats + at + row * width, out.floats + at + row * width, delta.floats + row, 1, d)
          }
          ck_attention_ds(p, ds, scale, delta.floats, m, columns, columns)
          // dQ = dS · K;  dK += dSᵀ · Q
          Kernels.gemmSerial(
            MatrixView(ds, stride: columns), keys, dq.floats + at, stride: width, m: m, n: d, k: columns)
          Kernels.gemmSerial(
            MatrixView(ds, stride: columns, transposed: true), queries, keyGradient, stride: kvWidth, m: columns, n: d,
            k: m, beta: 1)
        }
      }
    }
  }
}
