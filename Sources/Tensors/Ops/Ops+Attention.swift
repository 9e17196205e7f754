extension Tensor {
  /// Causal multi-head attention inside segments, with grouped heads, in tiles of query rows.
  ///
  ///     o_t = Σ_{s ≤ t} softmax_s(⟨q_t, k_s⟩ / √d) v_s,   s and t in one segment
  ///
  /// No S × S matrix is kept: only log Σ exp of each row, from which the backward pass computes the probabilities again.
  ///
  /// - Parameters:
  ///   - keys: `[tokens, kvHeads · d]`; query head h attends with key-value head h / (heads / kvHeads).
  ///   - values: `[tokens, kvHeads · d]`.
  ///   - heads: Number of query heads.
  ///   - kvHeads: Number of key-value heads; divides `heads`.
  ///   - segments: Ranges of rows that do not see each other; together all rows.
  /// - Returns: `[tokens, heads · d]` for queries of that shape.
  /// - Source: Dao 2023, FlashAttention-2, for the backward pass from log Σ exp.
  public func causalAttention(
    keys: Tensor, values: Tensor, heads: Int, kvHeads: Int, segments: [Range<Int>]
  ) -> Tensor {
    let d = columns / heads
    precondition(
      columns == heads * d && keys.shape == [rows, kvHeads * d] && values.shape == keys.shape && heads % kvHeads == 0,
      "causalAttention: queries \(shape), keys \(keys.shape), values \(values.shape) for \(heads)/\(kvHeads) heads")
    precondition(
      segments.sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }.reduce(0) {
        $0 == $1.lowerBound ? $1.upperBound : -1
      } == rows,
      "causalAttention: segments \(segments) do not cover each of the \(rows) rows once")
    let geometry = AttentionGeometry(heads: heads, kvHeads: kvHeads, dimension: d)
    let (q, k, v, shape, keyShape) = (storage, keys.storage, values.storage, shape, keys.shape)
    let tracked = isTracked || keys.isTracked || values.isTracked
    let out = Storage(count)
    let lse = Storage(tracked ? rows * heads : 0)
    geometry.forward(q: q, k: k, v: v, out: out, lse: tracked ? lse : nil, segments: segments)
    return .op(
      out, shape,
      Tensor.jointGradient([self, keys, values]) { dy in
        let (dq, dk, dv) = (Storage(q.count), Storage(k.count), Storage(v.count))
        geometry.backward(
          q: q, k: k, v: v, out: out, lse: lse, dy: dy.storage, dq: dq, dk: dk, dv: dv, segments: segments)
        return [Tensor(dq, shape), Tensor(dk, keyShape), Tensor(dv, keyShape)]
      })
  }
}
