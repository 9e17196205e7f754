internal import Routing
internal import Tensors

/// DeepSeek-V2 and -Lite: latent attention, neighbouring rotary pairs, YaRN with its factor of the scores, expert
/// groups.
///
///     scale = (n + r)^(-1/2) · m(factor, mscale_all_dim)²   where angles are scaled, without m otherwise
///     w = routed_scaling_factor · p
///
/// - Source: DeepSeek-AI 2024, DeepSeek-V2; transformers, `modeling_deepseek_v2.py`.
enum DeepSeekV2: Family {
  static let modelType = "deepseek_v2"

  /// ε of the norms inside the attention, which no configuration states.
  private static let latentEpsilon = 1e-6

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config)
    // The published code divides by the sum and leaves out the scaling factor; transformers ignores the switch.
    if try config.bool("norm_topk_prob") {
      throw config.invalid("norm_topk_prob", "false: implementations disagree on what true means", true)
    }
    if let step = try config.optionalInt("moe_layer_freq", in: 1...4096), step > 1 {
      throw config.invalid("moe_layer_freq", "1: transformers ignores other values", step)
    }
    var configuration = try DeepSeek.configuration(
      self, config, json: json, keys, attention: try attention(config, keys),
      weighting: ExpertWeighting(
        normalizes: false, scale: try config.double("routed_scaling_factor", above: 0)))
    configuration.selection = try selection(config, configuration)
    return configuration
  }

  private static func attention(
    _ config: ConfigurationReader, _ keys: DecoderKeys
  ) throws(ConfigurationError) -> AttentionShape {
    let plain = try config.int("qk_nope_head_dim", in: 1...65_536)
    let rotary = try config.int("qk_rope_head_dim", in: 2...65_536)
    guard rotary % 2 == 0 else { throw config.invalid("qk_rope_head_dim", "an even number", rotary) }
    guard keys.kvHeads == keys.heads else {
      throw config.invalid("num_key_value_heads", "\(keys.heads): every head has its own keys", keys.kvHeads)
    }
    let scale = keys.rotary.scoreFactor / Double(plain + rotary).squareRoot()
    return AttentionShape(
      heads: keys.heads, kvHeads: keys.heads, headDimension: plain + rotary,
      latent: LatentShape(
        queryRank: try config.optionalInt("q_lora_rank", in: 1...1_048_576),
        keyValueRank: try config.int("kv_lora_rank", in: 1...1_048_576), plainWidth: plain, rotaryWidth: rotary,
        valueWidth: try config.int("v_head_dim", in: 1...65_536), scale: scale))
  }

  private static func selection(
    _ config: ConfigurationReader, _ c: ModelConfiguration
  ) throws(ConfigurationError) -> ExpertSelection {
    switch try config.string("topk_method") {
    case "greedy": return .greedy
    case "group_limited_greedy":
      let groups = try config.int("n_group", in: 1...c.experts)
      guard c.experts % groups == 0 else {
        throw config.invalid("n_group", "a divisor of \(c.experts) experts", groups)
      }
      let kept = try config.int("topk_group", in: 1...groups)
      guard kept * (c.experts / groups) >= c.topK else {
        throw config.invalid("topk_group", "groups that hold num_experts_per_tok = \(c.topK) experts", kept)
      }
      return .groupLimited(groups: groups, kept: kept)
    case let other: throw config.invalid("topk_method", "greedy or group_limited_greedy", other)
    }
  }

  static func layer<E: Error>(_ number: Int, _ builder: ModelBuilder<E>) throws(E) -> DecoderLayer {
    let path = "model.layers.\(number)."
    let attention = try latentAttention(path + "self_attn.", builder)
    let mlp = try builder.feedForward(path + "mlp.", number)
    return try builder.block(path, attention, mlp)
  }

  private static func latentAttention<E: Error>(
    _ path: String, _ builder: ModelBuilder<E>
  ) throws(E) -> any SelfAttention {
    let (hidden, heads) = (builder.configuration.hidden, builder.configuration.attention.heads)
    guard let shape = builder.configuration.attention.latent else {
      preconditionFailure("DeepSeekV2: a configuration without latent attention")
    }
    let queries = heads * (shape.plainWidth + shape.rotaryWidth)
    var down: CompressedQueries?
    if let rank = shape.queryRank {
      down = CompressedQueries(
        projection: try builder.linear(path + "q_a_proj", rank, hidden),
        norm: try builder.norm(path + "q_a_layernorm", rank, epsilon: latentEpsilon))
    }
    return LatentAttention(
      queryDown: down,
      queryProjection: try builder.linear(
        path + (down == nil ? "q_proj" : "q_b_proj"), queries, shape.queryRank ?? hidden),
      keyValueDown: try builder.linear(path + "kv_a_proj_with_mqa", shape.keyValueRank + shape.rotaryWidth, hidden),
      keyValueNorm: try builder.norm(path + "kv_a_layernorm", shape.keyValueRank, epsilon: latentEpsilon),
      keyValueUp: try builder.linear(
        path + "kv_b_proj", heads * (shape.plainWidth + shape.valueWidth), shape.keyValueRank),
      outputProjection: try builder.linear(path + "o_proj", hidden, heads * shape.valueWidth), heads: heads,
      shape: shape, scale: Float(shape.scale))
  }
}
