public import Tensors

/// One block: h += attention(norm(h)); h += mlp(norm(h)).
public struct DecoderLayer: Module {
  /// Norm before the attention.
  public var inputNorm: RMSNorm
  /// Self-attention.
  public var attention: any SelfAttention
  /// Norm before the experts.
  public var postAttentionNorm: RMSNorm
  /// Experts, or a dense network.
  public var mlp: any FeedForward

  /// The experts; nil in a dense block, which cannot be given any.
  public var moe: MoELayer? {
    get { mlp as? MoELayer }
    set { if let newValue, moe != nil { mlp = newValue } }
  }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    try inputNorm.visit(path["input_layernorm"].role(.norms), body)
    try attention.visit(path["self_attn"], body)
    try postAttentionNorm.visit(path["post_attention_layernorm"].role(.norms), body)
    try mlp.visit(path["mlp"], body)
  }
}

/// What a pass over a batch computed.
public struct ForwardPass: Sendable {
  /// Rows of each sequence.
  public let segments: [Range<Int>]
  /// Output of the final norm, `[tokens, hidden]`.
  public let hidden: Tensor
  /// Routing of every sparse block, in order.
  public let routing: [LayerRouting]
  /// Embeddings, then the output of every layer, `[tokens, hidden]` each; empty unless asked for.
  public let hiddenStates: [Tensor]
}

/// A pre-norm decoder with sparse layers; families differ in how they are built and named.
public struct LanguageModel: Module {
  /// Sizes and switches, from `config.json`.
  public let configuration: ModelConfiguration
  /// `[vocabulary, hidden]`
  public var embedding: Tensor
  /// The blocks, bottom first.
  public var layers: [DecoderLayer]
  /// Norm after the last block.
  public var norm: RMSNorm
  /// `[vocabulary, hidden]`; nil where the embedding serves (`tie_word_embeddings`).
  public var head: Tensor?
  /// Angles by position.
  public let rotary: RotaryTable

  /// The output projection: the head, or the embedding where they are tied.
  public var outputWeight: Tensor { head ?? embedding }

  /// Runs the blocks.
  ///
  /// - Parameters:
  ///   - batch: Tokens with their segments.
  ///   - cache: Keys and values of earlier tokens, one per layer; nil for whole sequences.
  ///   - keepingHidden: Whether every layer's output is kept.
  /// - Returns: The final hidden states and every layer's routing.
  public func callAsFunction(
    _ batch: TokenBatch, cache: [AttentionCache]? = nil, keepingHidden: Bool = false
  ) -> ForwardPass {
    var hidden = embedding.gatherRows(batch.tokens)
    var states = keepingHidden ? [hidden] : []
    var routing: [LayerRouting] = []
    for (index, layer) in layers.enumerated() {
      hidden =
        hidden + layer.attention(layer.inputNorm(hidden), batch: batch, rotary: rotary, cache: cache?[index])
      let (y, layerRouting) = layer.mlp(layer.postAttentionNorm(hidden))
      hidden = hidden + y
      if let layerRouting { routing.append(layerRouting) }
      if keepingHidden { states.append(hidden) }
    }
    return ForwardPass(segments: batch.segments, hidden: norm(hidden), routing: routing, hiddenStates: states)
  }

  /// Logits of hidden states: `[tokens, hidden]` → `[tokens, vocabulary]`.
  public func logits(_ hidden: Tensor) -> Tensor { hidden.matMulTransposed(outputWeight) }

  /// Visits every parameter once, in the order of the checkpoint.
  public mutating func visit(
    _ path: ParameterPath, _ body: (ParameterPath, inout Tensor) throws -> Void
  ) rethrows {
    let model = path["model"]
    try body(model["embed_tokens"]["weight"].role(.embeddings), &embedding)
    for index in layers.indices { try layers[index].visit(model["layers"][index], body) }
    try norm.visit(model["norm"].role(.norms), body)
    if var weight = head {
      head = nil  // held once, so that the optimizer may write in place
      defer { head = weight }
      try body(path["lm_head"]["weight"].role(.embeddings), &weight)
    }
  }
}
