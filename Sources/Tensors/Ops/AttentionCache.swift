internal import CKernels

/// Keys and values of the tokens that each sequence has seen, for one layer; for inference, outside the graph.
public final class AttentionCache {
  private let keys: [Storage]
  private let values: [Storage]
  /// Tokens held for each sequence.
  public private(set) var lengths: [Int]
  /// Most tokens a sequence can hold.
  public let capacity: Int
  private let kvHeads: Int
  private let dimension: Int

  /// Room for `capacity` tokens of each of `sequences` sequences.
  ///
  /// - Parameters:
  ///   - sequences: Number of sequences.
  ///   - capacity: Most tokens a sequence can hold.
  ///   - kvHeads: Number of key-value heads.
  ///   - dimension: Width of one head.
  public init(sequences: Int, capacity: Int, kvHeads: Int, dimension: Int) {
    keys = (0..<sequences).map { _ in Storage(capacity * kvHeads * dimension) }
    values = (0..<sequences).map { _ in Storage(capacity * kvHeads * dimension) }
    lengths = Array(repeating: 0, count: sequences)
    (self.capacity, self.kvHeads, self.dimension) = (capacity, kvHeads, dimension)
  }

  /// Adds the new rows of every sequence, then attends from them to all rows held; the causal order is kept.
  fileprivate func attend(
    queries: Storage, keys newKeys: Storage, values newValues: Storage, heads: Int, segments: [Range<Int>]
  ) -> Storage {
    precondition(
      segments.count == lengths.count, "AttentionCache: \(segments.count) segments for \(lengths.count) sequences")
    let (width, kvWidth, d, group) = (heads * dimension, kvHeads * dimension, dimension, heads / kvHeads)
    let out = Storage(queries.count)
    let scale = 1 / Float(d).squareRoot()
    for (sequence, segment) in segments.enumerated() {
      let length = lengths[sequence]
      precondition(
        length + segment.count <= capacity, "AttentionCache: \(length) + \(segment.count) tokens in \(capacity) places")
      let source = segment.lowerBound * kvWidth
      (keys[sequence].floats + length * kvWidth).update(from: newKeys.floats + source, count: segment.count * kvWidth)
      (values[sequence].floats + length * kvWidth).update(
        from: newValues.floats + source, count: segment.count * kvWidth)
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
            values[sequence].floats + kvHead * d, scale, scores.baseAddress, out.floats + row * width + head * d,
            visible,
            kvWidth, d)
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
  ///   - values: `[tokens, kvHeads · d]`.
  ///   - heads: Number of query heads.
  ///   - segments: New rows of each sequence of the cache, in order.
  ///   - cache: What the sequences have seen; grows.
  /// - Returns: `[tokens, heads · d]`, outside the graph.
  public func cachedAttention(
    keys: Tensor, values: Tensor, heads: Int, segments: [Range<Int>], cache: AttentionCache
  ) -> Tensor {
    precondition(!isTracked, "cachedAttention: a cache serves inference; the queries are tracked")
    return Tensor(
      cache.attend(queries: storage, keys: keys.storage, values: values.storage, heads: heads, segments: segments),
      shape)
  }
}
