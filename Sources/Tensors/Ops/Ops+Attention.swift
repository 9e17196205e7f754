extension Tensor {
  /// Causal multi-head attention inside segments, with grouped heads, in tiles of query rows.
  ///
  ///     o_t = Σ_{s ≤ t} softmax_s(scale · ⟨q_t, k_s⟩) v_s,   s and t in one segment
  ///
  /// No S × S matrix is kept: only log Σ exp of each row, from which the backward pass computes the probabilities
  /// again.
  ///
  /// - Parameters:
  ///   - keys: `[tokens, kvHeads · d]`; query head h attends with key-value head h / (heads / kvHeads).
  ///   - values: `[tokens, kvHeads · v]`; v may differ from d.
  ///   - heads: Number of query heads.
  ///   - kvHeads: Number of key-value heads; divides `heads`.
  ///   - segments: Ranges of rows that do not see each other; together all rows.
  ///   - scale: Factor of the scores; 1 / √d if left out.
  /// - Returns: `[tokens, heads · v]` for queries `[tokens, heads · d]`.
  /// - Source: Dao 2023, FlashAttention-2, for the backward pass from log Σ exp.
  public func causalAttention(
    keys: Tensor, values: Tensor, heads: Int, kvHeads: Int, segments: [Range<Int>], scale: Float? = nil
  ) -> Tensor {
    let geometry = AttentionGeometry(queries: self, keys: keys, values: values, heads: heads, kvHeads: kvHeads, scale)
    precondition(
      segments.sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }.reduce(0) {
        $0 == $1.lowerBound ? $1.upperBound : -1
      } == rows,
      "causalAttention: segments \(segments) do not cover each of the \(rows) rows once")
    let (q, k, v) = (storage, keys.storage, values.storage)
    let (shape, keyShape, valueShape) = (shape, keys.shape, values.shape)
    let tracked = isTracked || keys.isTracked || values.isTracked
    let out = Storage(rows * heads * geometry.valueDimension)
    let lse = Storage(tracked ? rows * heads : 0)
    geometry.forward(q: q, k: k, v: v, out: out, lse: tracked ? lse : nil, segments: segments)
    return .op(
      out, [rows, heads * geometry.valueDimension],
      Tensor.jointGradient([self, keys, values]) { dy in
        let (dq, dk, dv) = (Storage(q.count), Storage(k.count), Storage(v.count))
        geometry.backward(
          q: q, k: k, v: v, out: out, lse: lse, dy: dy.storage, dq: dq, dk: dk, dv: dv, segments: segments)
        return [Tensor(dq, shape), Tensor(dk, keyShape), Tensor(dv, valueShape)]
      })
  }
}
