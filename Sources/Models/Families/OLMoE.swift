internal import Collaboration
public import Tensors

/// OLMoE: all layers sparse, norms over the whole query and key projections, no shared experts.
///
/// - Source: Muennighoff et al. 2024; transformers, `modeling_olmoe.py`.
public enum OLMoE {
  /// `model_type` in the configuration.
  public static let modelType = "olmoe"

  /// Reads the configuration.
  ///
  /// - Parameters:
  ///   - json: Text of `config.json`.
  ///   - file: Its name in messages.
  /// - Returns: Sizes and switches, all of them stated by the file.
  /// - Throws: ``ConfigurationError`` naming the first key that is missing or impossible.
  public static func configuration(json: String, file: String) throws(ConfigurationError) -> ModelConfiguration {
    let config = try ConfigurationReader(json: json, file: file)
    let type = try config.string("model_type")
    guard type == modelType else { throw config.invalid("model_type", modelType, type) }
    guard try config.string("hidden_act") == "silu" else {
      throw config.invalid("hidden_act", "silu", try config.string("hidden_act"))
    }
    if let bias = config.value("attention_bias") as? Bool, bias {
      throw config.invalid("attention_bias", "false: no published model has these biases", bias)
    }
    let hidden = try config.int("hidden_size", in: 1...1_048_576)
    let heads = try config.int("num_attention_heads", in: 1...65_536)
    let kvHeads = try config.optionalInt("num_key_value_heads", in: 1...heads) ?? heads
    guard heads % kvHeads == 0 else { throw config.invalid("num_key_value_heads", "a divisor of \(heads)", kvHeads) }
    let headDimension = try config.optionalInt("head_dim", in: 2...65_536) ?? hidden / heads
    guard headDimension % 2 == 0 else { throw config.invalid("head_dim", "an even number", headDimension) }
    let experts = try config.int("num_experts", in: 1...65_536)
    return ModelConfiguration(
      modelType: modelType, json: json, hidden: hidden, layers: try config.int("num_hidden_layers", in: 1...65_536),
      heads: heads, kvHeads: kvHeads, headDimension: headDimension,
      vocabulary: try config.int("vocab_size", in: 1...16_777_216), experts: experts,
      topK: try config.int("num_experts_per_tok", in: 1...experts),
      intermediate: try config.int("intermediate_size", in: 1...1_048_576),
      rmsEpsilon: try config.double("rms_norm_eps", above: 0), ropeTheta: try ropeTheta(config),
      maxPositions: try config.int("max_position_embeddings", in: 1...16_777_216),
      normalizesTopK: try config.bool("norm_topk_prob"), clipQKV: try config.optionalDouble("clip_qkv", above: 0),
      tiesEmbeddings: try config.bool("tie_word_embeddings"),
      auxiliaryCoefficient: try config.double("router_aux_loss_coef", above: -1e-300),
      endTokens: try config.integers("eos_token_id"),
      initializerRange: try config.optionalDouble("initializer_range", above: 0) ?? 0.02)
  }

  /// Builds the model, asking for every parameter once.
  ///
  /// - Parameters:
  ///   - configuration: Sizes and switches.
  ///   - parameter: The tensor of a name and shape; names are Hugging Face's, experts stacked a layer.
  /// - Returns: The model, unlimited.
  /// - Throws: What `parameter` throws.
  public static func model<E: Error>(
    _ configuration: ModelConfiguration, parameter: (String, [Int]) throws(E) -> Tensor
  ) throws(E) -> LanguageModel {
    let c = configuration
    func norm(_ name: String, _ width: Int) throws(E) -> RMSNorm {
      RMSNorm(weight: try parameter(name + ".weight", [width]), epsilon: Float(c.rmsEpsilon))
    }
    func linear(_ name: String, _ out: Int, _ input: Int) throws(E) -> Linear {
      Linear(weight: try parameter(name + ".weight", [out, input]))
    }
    let (queries, keys) = (c.heads * c.headDimension, c.kvHeads * c.headDimension)
    var layers: [DecoderLayer] = []
    let embedding = try parameter("model.embed_tokens.weight", [c.vocabulary, c.hidden])
    for index in 0..<c.layers {
      let path = "model.layers.\(index)."
      let attention = Attention(
        queryProjection: try linear(path + "self_attn.q_proj", queries, c.hidden),
        keyProjection: try linear(path + "self_attn.k_proj", keys, c.hidden),
        valueProjection: try linear(path + "self_attn.v_proj", keys, c.hidden),
        outputProjection: try linear(path + "self_attn.o_proj", c.hidden, queries),
        queryNorm: try norm(path + "self_attn.q_norm", queries), keyNorm: try norm(path + "self_attn.k_norm", keys),
        heads: c.heads, kvHeads: c.kvHeads, clip: c.clipQKV.map(Float.init))
      let experts = ExpertStack(
        gateUp: try parameter(path + "mlp.experts.gate_up_proj", [c.experts, 2 * c.intermediate, c.hidden]),
        down: try parameter(path + "mlp.experts.down_proj", [c.experts, c.hidden, c.intermediate]))
      layers.append(
        DecoderLayer(
          inputNorm: try norm(path + "input_layernorm", c.hidden), attention: attention,
          postAttentionNorm: try norm(path + "post_attention_layernorm", c.hidden),
          mlp: MoELayer(
            gate: try linear(path + "mlp.gate", c.experts, c.hidden), experts: experts,
            rule: RoutingRule(experts: c.experts, topK: c.topK), normalizesTopK: c.normalizesTopK)))
    }
    return LanguageModel(
      configuration: c, embedding: embedding, layers: layers, norm: try norm("model.norm", c.hidden),
      head: c.tiesEmbeddings ? nil : try parameter("lm_head.weight", [c.vocabulary, c.hidden]),
      rotary: RotaryTable(headDimension: c.headDimension, base: c.ropeTheta, positions: c.maxPositions))
  }

  /// `rope_theta` at the top level (transformers 4) or in `rope_parameters` (5); scaling is not part of this family.
  private static func ropeTheta(_ config: ConfigurationReader) throws(ConfigurationError) -> Double {
    if let scaling = config.value("rope_scaling") { throw config.invalid("rope_scaling", "null", scaling) }
    guard let rope = try config.section("rope_parameters") else { return try config.double("rope_theta", above: 0) }
    let type = try rope.string("rope_type")
    guard type == "default" else { throw rope.invalid("rope_type", "default", type) }
    return try rope.double("rope_theta", above: 0)
  }
}
