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

  /// - Parameters:
  ///   - hidden: `[tokens, hidden]`.
  ///   - batch: Segments and positions of the tokens.
  ///   - rotary: Angles by position.
  ///   - cache: Keys and values of earlier tokens; nil for whole sequences.
  ///   - onExperts: Told a sparse block's experts and what they read, `[tokens, hidden]`.
  /// - Returns: The next block's input, `[tokens, hidden]`, and the routing; nil in a dense block.
  public func callAsFunction(
    _ hidden: Tensor, batch: TokenBatch, rotary: RotaryTable, cache: AttentionCache? = nil,
    onExperts: ((MoELayer, Tensor) -> Void)? = nil
  ) -> (hidden: Tensor, routing: LayerRouting?) {
    let attended = hidden + attention(inputNorm(hidden), batch: batch, rotary: rotary, cache: cache)
    let x = postAttentionNorm(attended)
    if let onExperts, let moe { onExperts(moe, x) }
    let (y, routing) = mlp(x, batch: batch)
    return (attended + y, routing)
  }

  /// The same values, keeping nothing but the input for the backward pass.
  func recomputed(
    _ hidden: Tensor, batch: TokenBatch, rotary: RotaryTable
  ) -> (hidden: Tensor, routing: LayerRouting?) {
    var parameters: [Tensor] = []
    forEachParameter { _, parameter in if parameter.isTracked { parameters.append(parameter) } }
    // One value: the logits stand beside the hidden state, so that losses of the router lead back through them.
    let joint = Tensor.recomputed([hidden], parameters: parameters) { [self] inputs in
      let (next, routing) = self(inputs[0], batch: batch, rotary: rotary)
      return routing.map { .concatenate([next, $0.logits]) } ?? next
    }
    guard let moe else { return (joint, nil) }
    let parts = joint.split([hidden.columns, moe.rule.experts])
    return (parts[0], moe.routing(ofLogits: parts[1], batch: batch))
  }

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

  /// Adapts attention and experts.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    attention.attachAdapters(path["self_attn"], settings)
    mlp.attachAdapters(path["mlp"], settings)
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
  /// Whether blocks are computed again in the backward pass rather than their intermediate values kept.
  public var recomputesActivations = false

  /// The output projection: the head, or the embedding where they are tied.
  public var outputWeight: Tensor { head ?? embedding }

  /// Runs the blocks.
  ///
  /// - Parameters:
  ///   - batch: Tokens with their segments.
  ///   - cache: Keys and values of earlier tokens, one per layer; nil for whole sequences.
  ///   - keepingHidden: Whether every layer's output is kept.
  ///   - onExperts: Told every sparse block's experts and what they read.
  /// - Returns: The final hidden states and every layer's routing.
  public func callAsFunction(
    _ batch: TokenBatch, cache: [AttentionCache]? = nil, keepingHidden: Bool = false,
    onExperts: ((MoELayer, Tensor) -> Void)? = nil
  ) -> ForwardPass {
    var hidden = embedding.gatherRows(batch.tokens)
    var states = keepingHidden ? [hidden] : []
    var routing: [LayerRouting] = []
    for (index, layer) in layers.enumerated() {
      let output =
        recomputesActivations && cache == nil && onExperts == nil
        ? layer.recomputed(hidden, batch: batch, rotary: rotary)
        : layer(hidden, batch: batch, rotary: rotary, cache: cache?[index], onExperts: onExperts)
      hidden = output.hidden
      if let layerRouting = output.routing { routing.append(layerRouting) }
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

  /// Adapts every block.
  public mutating func attachAdapters(_ path: ParameterPath, _ settings: AdapterSettings) {
    for index in layers.indices { layers[index].attachAdapters(path["model"]["layers"][index], settings) }
  }
}
