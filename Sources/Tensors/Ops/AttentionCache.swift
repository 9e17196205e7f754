internal import CKernels

/// Keys and values of the tokens that each sequence has seen, for one layer; for inference, outside the graph.
public final class AttentionCache {
  private let keys: [Storage]
  private let values: [Storage]
  /// Tokens held for each sequence.
  public private(set) var lengths: [Int]
  /// Most tokens a sequence can hold.
  public let capacity: Int
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
    lengths = Array(repeating: 0, count: sequences)
    (self.capacity, self.keyWidth, self.valueWidth) = (capacity, keyWidth, valueWidth)
  }

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
      let (length, first) = (lengths[sequence], segment.lowerBound)
      precondition(
        length + segment.count <= capacity, "AttentionCache: \(length) + \(segment.count) tokens in \(capacity) places")
      (keys[sequence].floats + length * keyWidth).update(
        from: newKeys.floats + first * keyWidth, count: segment.count * keyWidth)
      (values[sequence].floats + length * valueWidth).update(
        from: newValues.floats + first * valueWidth, count: segment.count * valueWidth)
      lengths[sequence] = length + segment.count
    }
    // A task is one row and one group of heads: with few rows there is little else to share out.
    let rows = segments.enumerated().flatMap { sequence, segment in segment.map { (sequence, segment, $0) } }
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
