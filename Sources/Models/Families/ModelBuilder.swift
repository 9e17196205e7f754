internal import Routing
internal import Tensors

/// Puts a model together from named parameters; families say which parts their blocks have.
struct ModelBuilder<E: Error> {
  let configuration: ModelConfiguration
  /// The tensor of a name and shape; names are transformers', experts stacked a layer.
  let parameter: (String, [Int]) throws(E) -> Tensor

  func norm(_ name: String, _ width: Int, epsilon: Double? = nil) throws(E) -> RMSNorm {
    RMSNorm(
      weight: try parameter(name + ".weight", [width]), epsilon: Float(epsilon ?? configuration.rmsEpsilon))
  }

  func linear(_ name: String, _ out: Int, _ input: Int, bias: Bool = false) throws(E) -> Linear {
    Linear(
      weight: try parameter(name + ".weight", [out, input]), bias: bias ? try parameter(name + ".bias", [out]) : nil)
  }

  func mlp(_ path: String, _ intermediate: Int) throws(E) -> GatedMLP {
    let hidden = configuration.hidden
    return GatedMLP(
      gate: try linear(path + "gate_proj", intermediate, hidden),
      up: try linear(path + "up_proj", intermediate, hidden),
      down: try linear(path + "down_proj", hidden, intermediate))
  }

  /// Attention with grouped heads.
  func attention(_ path: String) throws(E) -> any SelfAttention {
    let (c, shape) = (configuration, configuration.attention)
    let (queries, keys) = (shape.heads * shape.headDimension, shape.kvHeads * shape.headDimension)
    func headNorm(_ name: String, _ width: Int) throws(E) -> RMSNorm? {
      switch shape.norm {
      case nil: nil
      case .whole: try norm(path + name, width)
      case .perHead: try norm(path + name, shape.headDimension)
      }
    }
    return Attention(
      queryProjection: try linear(path + "q_proj", queries, c.hidden, bias: shape.hasBias),
      keyProjection: try linear(path + "k_proj", keys, c.hidden, bias: shape.hasBias),
      valueProjection: try linear(path + "v_proj", keys, c.hidden, bias: shape.hasBias),
      outputProjection: try linear(path + "o_proj", c.hidden, queries),
      queryNorm: try headNorm("q_norm", queries), keyNorm: try headNorm("k_norm", keys), heads: shape.heads,
      kvHeads: shape.kvHeads, clip: shape.clip.map(Float.init))
  }

  /// Experts with their router, or a dense network, as the configuration says for this block.
  func feedForward(_ path: String, _ number: Int) throws(E) -> any FeedForward {
    let c = configuration
    guard c.sparseLayers.contains(number) else { return DenseLayer(mlp: try mlp(path, c.denseIntermediate)) }
    let experts = ExpertStack(
      gateUp: try parameter(path + "experts.gate_up_proj", [c.experts, 2 * c.intermediate, c.hidden]),
      down: try parameter(path + "experts.down_proj", [c.experts, c.hidden, c.intermediate]))
    let gate = try linear(path + "gate", c.experts, c.hidden)
    var shared: SharedExpert?
    if let shape = c.shared {
      shared = SharedExpert(
        name: shape.name, mlp: try mlp(path + shape.name + ".", shape.intermediate),
        gate: shape.isGated ? try linear(path + shape.name + "_gate", 1, c.hidden) : nil)
    }
    return MoELayer(
      number: number, gate: gate, experts: experts, shared: shared,
      rule: RoutingRule(experts: c.experts, topK: c.topK, selection: c.selection), weighting: c.weighting)
  }

  /// A block of its two parts, with the norms before them.
  func block(
    _ path: String, _ attention: any SelfAttention, _ mlp: any FeedForward
  ) throws(E) -> DecoderLayer {
    DecoderLayer(
      inputNorm: try norm(path + "input_layernorm", configuration.hidden), attention: attention,
      postAttentionNorm: try norm(path + "post_attention_layernorm", configuration.hidden), mlp: mlp)
  }

  /// The whole model of blocks that `layer` builds.
  func model(_ layer: (Int) throws(E) -> DecoderLayer) throws(E) -> LanguageModel {
    let c = configuration
    let embedding = try parameter("model.embed_tokens.weight", [c.vocabulary, c.hidden])
    var layers: [DecoderLayer] = []
    for number in 0..<c.layers { layers.append(try layer(number)) }
    return LanguageModel(
      configuration: c, embedding: embedding, layers: layers, norm: try norm("model.norm", c.hidden),
      head: c.tiesEmbeddings ? nil : try parameter("lm_head.weight", [c.vocabulary, c.hidden]),
      rotary: RotaryTable(
        headDimension: c.attention.latent?.rotaryWidth ?? c.attention.headDimension, base: c.ropeTheta,
        positions: c.maxPositions, scaling: c.ropeScaling, pairing: c.attention.latent == nil ? .halves : .neighbours))
  }
}
