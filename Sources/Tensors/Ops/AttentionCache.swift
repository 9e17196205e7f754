internal import CKernels

/// Keys and values of the tokens that each sequence has seen, for one layer; for inference, outside the graph.
///
/// A sequence may continue one of another cache: it shares the rows of that one and adds its own behind them.
public final class AttentionCache {
  private let keys: [Storage]
  private let values: [Storage]
  /// Rows of earlier caches that stand before a sequence's own, oldest first.
  private let shared: [[SharedRows]]
  /// Tokens held for each sequence, shared ones included.
  public private(set) var lengths: [Int]
  /// Most tokens each sequence can hold of its own.
  private let rooms: [Int]
  /// Widths of a token's keys and values over all heads.
  private let keyWidth: Int
  private let valueWidth: Int

  /// Room for `capacity` tokens of each of `sequences` sequences.
  ///
  /// - Parameters:
  ///   - sequences: Number of sequences.
  ///   - capacity: Most tokens a sequence can hold.
  ///   - keyWidth: Width of a token's keys over all key-value heads.
  ///   - valueWidth: Width of its values.
  public init(sequences: Int, capacity: Int, keyWidth: Int, valueWidth: Int) {
    keys = (0..<sequences).map { _ in Storage(capacity * keyWidth) }
    values = (0..<sequences).map { _ in Storage(capacity * valueWidth) }
    shared = Array(repeating: [], count: sequences)
    lengths = Array(repeating: 0, count: sequences)
    rooms = Array(repeating: capacity, count: sequences)
    (self.keyWidth, self.valueWidth) = (keyWidth, valueWidth)
  }

  /// New sequences, each behind one of another cache, whose rows it shares.
  ///
  /// - Parameters:
  ///   - cache: What they continue; it may grow afterwards, which they do not see.
  ///   - parents: Sequence of `cache` that each new one continues.
  ///   - rooms: Most tokens each can hold of its own.
  public init(continuing cache: AttentionCache, parents: [Int], rooms: [Int]) {
    precondition(parents.count == rooms.count, "AttentionCache: \(parents.count) parents, \(rooms.count) rooms")
    (keyWidth, valueWidth) = (cache.keyWidth, cache.valueWidth)
    keys = rooms.map { [width = cache.keyWidth] in Storage($0 * width) }
    values = rooms.map { [width = cache.valueWidth] in Storage($0 * width) }
    shared = parents.map { parent in
      let before = cache.shared[parent]
      let own = cache.lengths[parent] - before.reduce(0) { $0 + $1.count }
      return before + [SharedRows(keys: cache.keys[parent], values: cache.values[parent], count: own)]
    }
    lengths = parents.map { cache.lengths[$0] }
    self.rooms = rooms
  }

  /// The first rows of a sequence of an earlier cache.
  private struct SharedRows {
    let keys: Storage
    let values: Storage
    let count: Int
  }

  /// Up to so many new tokens of a sequence that shares nothing, a row and its heads are a task; above, a head is.
  private static let fewRows = 8

  /// Adds the new rows of every sequence, then attends from them to all rows held; the causal order is kept.
  fileprivate func attend(
    _ geometry: AttentionGeometry, queries: Storage, keys newKeys: Storage, values newValues: Storage,
    segments: [Range<Int>]
  ) -> Storage {
    let (heads, kvHeads, d, dv) = (geometry.heads, geometry.kvHeads, geometry.dimension, geometry.valueDimension)
    precondition(
      segments.count == lengths.count, "AttentionCache: \(segments.count) segments for \(lengths.count) sequences")
    precondition(
      keyWidth == kvHeads * d && valueWidth == kvHeads * dv,
      "AttentionCache: \(kvHeads) heads of \(d) and \(dv) in rows of \(keyWidth) and \(valueWidth)")
    let (width, group) = (heads * d, heads / kvHeads)
    let out = Storage(queries.count / width * heads * dv)
    for (sequence, segment) in segments.enumerated() {
      let own = lengths[sequence] - shared[sequence].reduce(0) { $0 + $1.count }
      precondition(
        own + segment.count <= rooms[sequence],
        "AttentionCache: \(own) + \(segment.count) tokens in \(rooms[sequence]) places")
      (keys[sequence].floats + own * keyWidth).update(
        from: newKeys.floats + segment.lowerBound * keyWidth, count: segment.count * keyWidth)
      (values[sequence].floats + own * valueWidth).update(
        from: newValues.floats + segment.lowerBound * valueWidth, count: segment.count * valueWidth)
      lengths[sequence] += segment.count
    }
    let isShort = segments.indices.map { shared[$0].isEmpty && segments[$0].count <= Self.fewRows }
    let long = segments.indices.filter { !isShort[$0] }
    Parallel.run(long.count * kvHeads) { task in
      attend(long[task / kvHeads], segments[long[task / kvHeads]], kvHead: task % kvHeads, geometry, queries, out)
    }
    // A task is one row and one group of heads: with few rows there is little else to share out.
    let rows = segments.indices.filter { isShort[$0] }.flatMap { sequence in
      segments[sequence].map { (sequence, segments[sequence], $0) }
    }
    Parallel.run(rows.count * kvHeads) { task in
      let ((sequence, segment, row), kvHead) = (rows[task / kvHeads], task % kvHeads)
      let visible = lengths[sequence] - segment.upperBound + row + 1
      withUnsafeTemporaryAllocation(of: Float.self, capacity: visible) { scores in
        for head in kvHead * group..<(kvHead + 1) * group {
          ck_attend_row(
            queries.floats + row * width + head * d, keys[sequence].floats + kvHead * d,
            values[sequence].floats + kvHead * dv, geometry.scale, scores.baseAddress,
            out.floats + (row * heads + head) * dv, visible, keyWidth, valueWidth, d, dv)
        }
      }
    }
    return out
  }

  /// Attends from all new rows of a sequence, for one key-value head and the query heads that share it.
  private func attend(
    _ sequence: Int, _ segment: Range<Int>, kvHead: Int, _ geometry: AttentionGeometry, _ queries: Storage,
    _ out: Storage
  ) {
    let (heads, d, dv) = (geometry.heads, geometry.dimension, geometry.valueDimension)
    let (total, before) = (lengths[sequence], shared[sequence])
    let isContiguous = before.isEmpty
    let scratch = (
      keys: Storage(isContiguous ? 0 : total * d), values: Storage(isContiguous ? 0 : total * dv)
    )
    defer { withExtendedLifetime(scratch) {} }
    if !isContiguous {
      let own = total - before.reduce(0) { $0 + $1.count }
      var row = 0
      for block in before + [SharedRows(keys: keys[sequence], values: values[sequence], count: own)] {
        for source in 0..<block.count {
          (scratch.keys.floats + row * d).update(from: block.keys.floats + source * keyWidth + kvHead * d, count: d)
          (scratch.values.floats + row * dv).update(
            from: block.values.floats + source * valueWidth + kvHead * dv, count: dv)
          row += 1
        }
      }
    }
    let k =
      isContiguous
      ? MatrixView(keys[sequence].floats + kvHead * d, stride: keyWidth, transposed: true)
      : MatrixView(scratch.keys.floats, stride: d, transposed: true)
    let v =
      isContiguous
      ? MatrixView(values[sequence].floats + kvHead * dv, stride: valueWidth)
      : MatrixView(scratch.values.floats, stride: dv)
    let group = heads / geometry.kvHeads
    for head in kvHead * group..<(kvHead + 1) * group {
      for start in stride(from: segment.lowerBound, to: segment.upperBound, by: AttentionGeometry.tileRows) {
        let rows = start..<min(start + AttentionGeometry.tileRows, segment.upperBound)
        geometry.attend(
          queries.floats + start * heads * d + head * d, rows: rows.count, keys: k, values: v,
          visible: total - segment.upperBound + start + 1, lse: nil, out: out.floats + (start * heads + head) * dv)
      }
    }
  }
}

extension Tensor {
  /// Causal attention of new tokens to those of a cache and to each other; the new ones are added to the cache.
  ///
  /// - Parameters:
  ///   - keys: `[tokens, kvHeads · d]` of the new tokens.
  ///   - values: `[tokens, kvHeads · v]`.
  ///   - heads: Number of query heads.
  ///   - kvHeads: Number of key-value heads; divides `heads`.
  ///   - segments: New rows of each sequence of the cache, in order.
  ///   - cache: What the sequences have seen; grows.
  ///   - scale: Factor of the scores; 1 / √d if left out.
  /// - Returns: `[tokens, heads · v]`, outside the graph.
  public func cachedAttention(
    keys: Tensor, values: Tensor, heads: Int, kvHeads: Int, segments: [Range<Int>], cache: AttentionCache,
    scale: Float? = nil
  ) -> Tensor {
    precondition(!isTracked, "cachedAttention: a cache serves inference; the queries are tracked")
    let geometry = AttentionGeometry(queries: self, keys: keys, values: values, heads: heads, kvHeads: kvHeads, scale)
    return Tensor(
      cache.attend(geometry, queries: storage, keys: keys.storage, values: values.storage, segments: segments),
      [rows, heads * geometry.valueDimension])
  }
}
