public import Tensors

/// Multi-head latent attention: keys and values of all heads come from one narrow vector a token.
///
///     [c | k_r] = W_a x,   [k_n | v] = W_b norm(c)  per head
///     q = W_q x, or W_qb norm(W_qa x);   per head [q_n | q_r]
///     y = W_o · softmax(scale · ([q_n | rotate(q_r)] · [k_n | rotate(k_r)]ᵀ)) · v
///
/// k_r is one vector that all heads share. The cache holds keys and values of every head, not the latents: it is
/// larger, and a decoding step multiplies less.
/// - Source: DeepSeek-AI 2024, DeepSeek-V2, section 2.1.1, eq. 9–19; transformers, `DeepseekV2Attention`.
public struct LatentAttention: SelfAttention {
  /// W_qa `[rank, hidden]` and its norm; nil where queries are not compressed.
  public var queryDown: CompressedQueries?
  /// W_qb `[heads · (n + r), rank]`, or W_q `[heads · (n + r), hidden]`.
  public var queryProjection: Linear
  /// W_a `[rank + r, hidden]`
  public var keyValueDown: Linear
  /// Norm of the latent vector.
  public var keyValueNorm: RMSNorm
  /// W_b `[heads · (n + v), rank]`
  public var keyValueUp: Linear
  /// W_o `[hidden, heads · v]`
  public var outputProjection: Linear
  /// Number of heads.
  public let heads: Int
  /// Ranks and widths.
  public let shape: LatentShape
  /// Factor of the scores.
  public let scale: Float

  /// Queries, keys and values of `x`, then attention with every head's own keys.
  public func callAsFunction(
    _ x: Tensor, batch: TokenBatch, rotary: RotaryTable, cache: AttentionCache?
  ) -> Tensor {
    let tokens = x.rows
    let (n, r, v) = (shape.plainWidth, shape.rotaryWidth, shape.valueWidth)
    let q = queryProjection(queryDown.map { $0.norm($0.projection(x)) } ?? x)
    let compressed = keyValueDown(x).split([shape.keyValueRank, r])
    let perHead = keyValueUp(keyValueNorm(compressed[0])).reshaped([tokens * heads, n + v]).split([n, v])
    let shared = compressed[1].rotated(rotary, positions: batch.positions)
    let spread = shared.reshaped([tokens, 1, r]) + Tensor.zeros([tokens, heads, r])
    let keys = Tensor.concatenate([perHead[0], spread.reshaped([tokens * heads, r])])
    return outputProjection(
      q.rotated(rotary, positions: batch.positions, headWidth: n + r).attention(
        keys: keys.reshaped([tokens, heads * (n + r)]), values: perHead[1].reshaped([tokens, heads * v]), heads: heads,
        kvHeads: heads, batch: batch, cache: cache, scale: scale))
  }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    let path = path.role(.attention)
    try queryDown?.projection.visit(path["q_a_proj"], body)
    try queryDown?.norm.visit(path["q_a_layernorm"], body)
    try queryProjection.visit(path[queryDown == nil ? "q_proj" : "q_b_proj"], body)
    try keyValueDown.visit(path["kv_a_proj_with_mqa"], body)
    try keyValueNorm.visit(path["kv_a_layernorm"], body)
    try keyValueUp.visit(path["kv_b_proj"], body)
    try outputProjection.visit(path["o_proj"], body)
  }

  /// Adapts every projection, the narrow ones included.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    let path = path.role(.attention)
    queryDown?.projection.attachAdapters(path["q_a_proj"], settings)
    queryProjection.attachAdapters(path[queryDown == nil ? "q_proj" : "q_b_proj"], settings)
    keyValueDown.attachAdapters(path["kv_a_proj_with_mqa"], settings)
    keyValueUp.attachAdapters(path["kv_b_proj"], settings)
    outputProjection.attachAdapters(path["o_proj"], settings)
  }
}

/// The narrow vector that queries are made of.
public struct CompressedQueries: Sendable {
  /// W_qa `[rank, hidden]`
  public var projection: Linear
  /// Its norm.
  public var norm: RMSNorm
}
