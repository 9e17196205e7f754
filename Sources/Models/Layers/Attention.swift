public import Tensors

/// Causal self-attention with rotary positions and, as in OLMoE, norms over the whole query and key projections.
///
///     q = clip(norm_q(W_q x)), k = clip(norm_k(W_k x)), v = clip(W_v x)
///     y = W_o · attention(rotate(q), rotate(k), v)
///
/// - Source: transformers, `modeling_olmoe.py`, `OlmoeAttention`.
public struct Attention: Module {
  /// W_q `[heads · d, hidden]`
  public var queryProjection: Linear
  /// W_k `[kvHeads · d, hidden]`
  public var keyProjection: Linear
  /// W_v `[kvHeads · d, hidden]`
  public var valueProjection: Linear
  /// W_o `[hidden, heads · d]`
  public var outputProjection: Linear
  /// Norm over all heads of the queries at once, before they are split.
  public var queryNorm: RMSNorm
  /// Norm over all heads of the keys at once.
  public var keyNorm: RMSNorm
  /// Number of query heads.
  public let heads: Int
  /// Number of key-value heads.
  public let kvHeads: Int
  /// Queries, keys and values are limited to ± this, after the norms; nil for no limit.
  public let clip: Float?

  /// - Parameters:
  ///   - x: `[tokens, hidden]`.
  ///   - batch: Segments and positions of the tokens.
  ///   - rotary: Angles by position.
  ///   - cache: Keys and values of earlier tokens, which the new ones are added to; nil where there are none.
  /// - Returns: `[tokens, hidden]`.
  public func callAsFunction(
    _ x: Tensor, batch: TokenBatch, rotary: RotaryTable, cache: AttentionCache? = nil
  ) -> Tensor {
    let queries = clipped(queryNorm(queryProjection(x))).rotated(rotary, positions: batch.positions)
    let keys = clipped(keyNorm(keyProjection(x))).rotated(rotary, positions: batch.positions)
    let values = clipped(valueProjection(x))
    let attended: Tensor
    if let cache {
      attended = queries.cachedAttention(
        keys: keys, values: values, heads: heads, segments: batch.segments, cache: cache)
    } else {
      attended = queries.causalAttention(
        keys: keys, values: values, heads: heads, kvHeads: kvHeads, segments: batch.segments)
    }
    return outputProjection(attended)
  }

  private func clipped(_ x: Tensor) -> Tensor { clip.map { x.clamped(to: -$0...$0) } ?? x }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    let path = path.role(.attention)
    try queryProjection.visit(path["q_proj"], body)
    try keyProjection.visit(path["k_proj"], body)
    try valueProjection.visit(path["v_proj"], body)
    try outputProjection.visit(path["o_proj"], body)
    try queryNorm.visit(path["q_norm"], body)
    try keyNorm.visit(path["k_norm"], body)
  }

  /// Adapts the four projections.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    let path = path.role(.attention)
    queryProjection.attachAdapters(path["q_proj"], settings)
    keyProjection.attachAdapters(path["k_proj"], settings)
    valueProjection.attachAdapters(path["v_proj"], settings)
    outputProjection.attachAdapters(path["o_proj"], settings)
  }
}
