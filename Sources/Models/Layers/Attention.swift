public import Tensors

/// What stands between a block's first norm and its residual sum.
public protocol SelfAttention: Module {
  /// - Parameters:
  ///   - x: `[tokens, hidden]`.
  ///   - batch: Segments and positions of the tokens.
  ///   - rotary: Angles by position.
  ///   - cache: Keys and values of earlier tokens, which the new ones are added to; nil where there are none.
  /// - Returns: `[tokens, hidden]`.
  func callAsFunction(_ x: Tensor, batch: TokenBatch, rotary: RotaryTable, cache: AttentionCache?) -> Tensor
}

/// How queries and keys are normalised before they are rotated.
public enum QueryKeyNorm: Sendable {
  /// Over all heads at once, as in OLMoE.
  case whole
  /// Each head by itself, as in Qwen3.
  case perHead
}

/// Causal self-attention with rotary positions and grouped heads, and what families add to it.
///
///     q = clip(norm_q(W_q x + b_q)), k = clip(norm_k(W_k x + b_k)), v = clip(W_v x + b_v)
///     y = W_o · attention(rotate(q), rotate(k), v)
///
/// - Source: transformers, `OlmoeAttention`, `MixtralAttention`, `Qwen2MoeAttention`, `Qwen3MoeAttention`.
public struct Attention: SelfAttention {
  /// W_q `[heads · d, hidden]`
  public var queryProjection: Linear
  /// W_k `[kvHeads · d, hidden]`
  public var keyProjection: Linear
  /// W_v `[kvHeads · d, hidden]`
  public var valueProjection: Linear
  /// W_o `[hidden, heads · d]`
  public var outputProjection: Linear
  /// Norm of the queries; nil where the family has none.
  public var queryNorm: RMSNorm?
  /// Norm of the keys.
  public var keyNorm: RMSNorm?
  /// Number of query heads.
  public let heads: Int
  /// Number of key-value heads.
  public let kvHeads: Int
  /// Queries, keys and values are limited to ± this, after the norms; nil for no limit.
  public let clip: Float?

  /// Queries, keys and values of `x`, then
  /// ``Tensors/Tensor/causalAttention(keys:values:heads:kvHeads:segments:scale:)``.
  public func callAsFunction(
    _ x: Tensor, batch: TokenBatch, rotary: RotaryTable, cache: AttentionCache?
  ) -> Tensor {
    let queries = clipped(Self.normalised(queryProjection(x), queryNorm)).rotated(rotary, positions: batch.positions)
    let keys = clipped(Self.normalised(keyProjection(x), keyNorm)).rotated(rotary, positions: batch.positions)
    let values = clipped(valueProjection(x))
    return outputProjection(
      queries.attention(keys: keys, values: values, heads: heads, kvHeads: kvHeads, batch: batch, cache: cache))
  }

  private func clipped(_ x: Tensor) -> Tensor { clip.map { x.clamped(to: -$0...$0) } ?? x }

  /// Over rows as wide as the norm's weight: the whole projection, or one head.
  private static func normalised(_ x: Tensor, _ norm: RMSNorm?) -> Tensor {
    guard let norm else { return x }
    let width = norm.weight.count
    return width == x.columns ? norm(x) : norm(x.reshaped([x.count / width, width])).reshaped(x.shape)
  }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    let path = path.role(.attention)
    try queryProjection.visit(path["q_proj"], body)
    try keyProjection.visit(path["k_proj"], body)
    try valueProjection.visit(path["v_proj"], body)
    try outputProjection.visit(path["o_proj"], body)
    try queryNorm?.visit(path["q_norm"], body)
    try keyNorm?.visit(path["k_norm"], body)
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

extension Tensor {
  /// Attention of these queries to the tokens of a batch, and to those of a cache where there is one.
  func attention(
    keys: Tensor, values: Tensor, heads: Int, kvHeads: Int, batch: TokenBatch, cache: AttentionCache?,
    scale: Float? = nil
  ) -> Tensor {
    guard let cache else {
      return causalAttention(
        keys: keys, values: values, heads: heads, kvHeads: kvHeads, segments: batch.segments, scale: scale)
    }
    return cachedAttention(
      keys: keys, values: values, heads: heads, kvHeads: kvHeads, segments: batch.segments, cache: cache, scale: scale)
  }
}
