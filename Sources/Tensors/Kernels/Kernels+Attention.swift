internal import CKernels

/// Head counts and widths of an attention, and its loops over tiles.
package struct AttentionGeometry: Sendable {
  let heads: Int
  let kvHeads: Int
  /// d, the width of one head's queries and keys.
  let dimension: Int
  /// v, the width of one head's values.
  let valueDimension: Int
  /// Factor of the scores.
  let scale: Float

  /// Checks queries `[tokens, heads · d]`, keys `[tokens, kvHeads · d]` and values `[tokens, kvHeads · v]`.
  ///
  /// - Parameters:
  ///   - queries: q.
  ///   - keys: k.
  ///   - values: v.
  ///   - heads: Number of query heads.
  ///   - kvHeads: Number of key-value heads; divides `heads`.
  ///   - scale: Factor of the scores; 1 / √d if nil.
  init(queries: Tensor, keys: Tensor, values: Tensor, heads: Int, kvHeads: Int, _ scale: Float?) {
    (dimension, valueDimension) = (queries.columns / heads, values.columns / kvHeads)
    (self.heads, self.kvHeads) = (heads, kvHeads)
    self.scale = scale ?? 1 / Float(dimension).squareRoot()
    precondition(
      queries.columns == heads * dimension && keys.shape == [queries.rows, kvHeads * dimension]
        && values.shape == [queries.rows, kvHeads * valueDimension] && heads % kvHeads == 0,
      "attention: queries \(queries.shape), keys \(keys.shape), values \(values.shape) for \(heads)/\(kvHeads) heads")
  }

  /// Query rows in one tile: its scores against a few thousand keys stay in the second-level cache.
  static let tileRows = 64

  private var width: Int { heads * dimension }
  private var keyWidth: Int { kvHeads * dimension }
  private var valueWidth: Int { kvHeads * valueDimension }
  private var outWidth: Int { heads * valueDimension }

  /// Writes `out`, and `lse` `[heads, tokens]` where it is needed; every tile of every head is one task.
  func forward(q: Storage, k: Storage, v: Storage, out: Storage, lse: Storage?, segments: [Range<Int>]) {
    let tokens = q.count / width
    let tiles = segments.flatMap { segment in
      stride(from: segment.lowerBound, to: segment.upperBound, by: Self.tileRows).map {
        (segment: segment, rows: $0..<min($0 + Self.tileRows, segment.upperBound))
      }
    }
    let (d, dv) = (dimension, valueDimension)
    // Longest tiles first: the last tasks to end are short.
    let order = tiles.indices.sorted {
      (tiles[$1].rows.upperBound - tiles[$1].segment.lowerBound, $0)
        < (tiles[$0].rows.upperBound - tiles[$0].segment.lowerBound, $1)
    }
    Parallel.run(tiles.count * heads) { task in
      let (tile, head) = (tiles[order[task / heads]], task % heads)
      let (first, rows) = (tile.segment.lowerBound, tile.rows)
      let kvHead = head / (heads / kvHeads)
      attend(
        q.floats + rows.lowerBound * width + head * d, rows: rows.count,
        keys: MatrixView(k.floats + first * keyWidth + kvHead * d, stride: keyWidth, transposed: true),
        values: MatrixView(v.floats + first * valueWidth + kvHead * dv, stride: valueWidth),
        visible: rows.lowerBound - first + 1, lse: lse.map { $0.floats + head * tokens + rows.lowerBound },
        out: out.floats + rows.lowerBound * outWidth + head * dv)
    }
  }

  /// One head of at most ``tileRows`` query rows.
  ///
  /// - Parameters:
  ///   - q: The head's part of the first row; rows are `heads · d` apart.
  ///   - rows: Number of query rows.
  ///   - keys: Transposed, from the first key that all rows see.
  ///   - values: From the same row on.
  ///   - visible: Keys that the first row sees; each further row sees one more.
  ///   - lse: Receives log Σ exp of each row where it is needed.
  ///   - out: The head's part of the first output row; rows are `heads · v` apart.
  func attend(
    _ q: UnsafePointer<Float>, rows: Int, keys: MatrixView, values: MatrixView, visible: Int,
    lse: UnsafeMutablePointer<Float>?, out: UnsafeMutablePointer<Float>
  ) {
    let columns = visible + rows - 1
    let scores = Storage(rows * columns)
    defer { withExtendedLifetime(scores) {} }
    let s = scores.floats
    Kernels.gemmSerial(
      MatrixView(q, stride: width), keys, s, stride: columns, m: rows, n: columns, k: dimension)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.tileRows) { unused in
      ck_causal_softmax(s, scale, lse ?? unused.baseAddress.unsafelyUnwrapped, rows, visible, columns, columns)
    }
    Kernels.gemmSerial(
      MatrixView(s, stride: columns), values, out, stride: outWidth, m: rows, n: valueDimension, k: columns)
  }

  /// Writes `dq`, `dk`, `dv`; a task is one segment and key-value head, whose tiles add up in their order.
  func backward(
    q: Storage, k: Storage, v: Storage, out: Storage, lse: Storage, dy: Storage, dq: Storage, dk: Storage, dv: Storage,
    segments: [Range<Int>]
  ) {
    let tokens = q.count / width
    let (d, e, group) = (dimension, valueDimension, heads / kvHeads)
    let order = segments.indices.sorted { (segments[$1].count, $0) < (segments[$0].count, $1) }
    Parallel.run(segments.count * kvHeads) { task in
      let (segment, kvHead) = (segments[order[task / kvHeads]], task % kvHeads)
      let first = segment.lowerBound
      let (keyStart, valueStart) = (first * keyWidth + kvHead * d, first * valueWidth + kvHead * e)
      let keys = MatrixView(k.floats + keyStart, stride: keyWidth)
      let keysTransposed = MatrixView(keys.pointer, stride: keyWidth, transposed: true)
      let valuesTransposed = MatrixView(v.floats + valueStart, stride: valueWidth, transposed: true)
      let (keyGradient, valueGradient) = (dk.floats + keyStart, dv.floats + valueStart)
      for row in 0..<segment.count {
        (keyGradient + row * keyWidth).update(repeating: 0, count: d)
        (valueGradient + row * valueWidth).update(repeating: 0, count: e)
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
          let (at, outAt) = (start * width + head * d, start * outWidth + head * e)
          let (queries, outputGradients) = (
            MatrixView(q.floats + at, stride: width), MatrixView(dy.floats + outAt, stride: outWidth)
          )
          Kernels.gemmSerial(queries, keysTransposed, p, stride: columns, m: m, n: columns, k: d)
          ck_causal_probabilities(
            p, scale, lse.floats + head * tokens + start, m, start - first + 1, columns, columns)
          // dV += Pᵀ · dO
          Kernels.gemmSerial(
            MatrixView(p, stride: columns, transposed: true), outputGradients, valueGradient,
            stride: valueWidth, m: columns, n: e, k: m, beta: 1)
          // dP = dO · Vᵀ;  dS = P ⊙ (dP - ⟨dO, O⟩)
          Kernels.gemmSerial(outputGradients, valuesTransposed, ds, stride: columns, m: m, n: columns, k: e)
          for row in 0..<m {
            let place = outAt + row * outWidth
            ck_row_dots(dy.floats + place, out.floats + place, delta.floats + row, 1, e)
          }
          ck_attention_ds(p, ds, scale, delta.floats, m, columns, columns)
          // dQ = dS · K;  dK += dSᵀ · Q
          Kernels.gemmSerial(
            MatrixView(ds, stride: columns), keys, dq.floats + at, stride: width, m: m, n: d, k: columns)
          Kernels.gemmSerial(
            MatrixView(ds, stride: columns, transposed: true), queries, keyGradient, stride: keyWidth, m: columns, n: d,
            k: m, beta: 1)
        }
      }
    }
  }
}
