internal import Tensors

/// What every family's configuration says under the same keys.
struct DecoderKeys {
  var hidden: Int, layers: Int, vocabulary: Int, maxPositions: Int
  var heads: Int, kvHeads: Int, headDimension: Int
  var rmsEpsilon: Double, initializerRange: Double
  var tiesEmbeddings: Bool
  var endTokens: [Int]
  var ropeTheta: Double, ropeScaling: RotaryScaling

  /// Reads them.
  ///
  /// `num_key_value_heads` and `head_dim` have no default of a class but follow from other keys, as in transformers.
  ///
  /// - Throws: ``ConfigurationError`` naming the first key that is missing or impossible.
  init(_ config: ConfigurationReader) throws(ConfigurationError) {
    let activation = try config.string("hidden_act")
    guard activation == "silu" else { throw config.invalid("hidden_act", "silu", activation) }
    for key in ["attention_bias", "mlp_bias"] {
      if try config.optionalBool(key) == true {
        throw config.invalid(key, "false: no published model has these biases", true)
      }
    }
    hidden = try config.int("hidden_size", in: 1...1_048_576)
    layers = try config.int("num_hidden_layers", in: 1...4096)
    vocabulary = try config.int("vocab_size", in: 1...16_777_216)
    maxPositions = try config.int("max_position_embeddings", in: 1...4_194_304)
    heads = try config.int("num_attention_heads", in: 1...65_536)
    kvHeads = try config.optionalInt("num_key_value_heads", in: 1...heads) ?? heads
    guard heads % kvHeads == 0 else { throw config.invalid("num_key_value_heads", "a divisor of \(heads)", kvHeads) }
    headDimension = try config.optionalInt("head_dim", in: 2...65_536) ?? hidden / heads
    rmsEpsilon = try config.double("rms_norm_eps", above: 0)
    initializerRange = try config.optionalDouble("initializer_range", above: 0) ?? 0.02
    tiesEmbeddings = try config.bool("tie_word_embeddings")
    endTokens = try config.integers("eos_token_id", in: 0...vocabulary - 1)
    (ropeTheta, ropeScaling) = try config.rotary()
  }

  /// The standard attention of these heads.
  func attention(
    _ config: ConfigurationReader, hasBias: Bool = false, norm: QueryKeyNorm? = nil, clip: Double? = nil
  ) throws(ConfigurationError) -> AttentionShape {
    guard headDimension > 0, headDimension % 2 == 0 else {
      throw config.invalid("head_dim", "an even number", headDimension)
    }
    return AttentionShape(
      heads: heads, kvHeads: kvHeads, headDimension: headDimension, hasBias: hasBias, norm: norm, clip: clip)
  }
}

extension ConfigurationReader {
  /// Base and scaling of the rotary angles: `rope_theta` and `rope_scaling` (transformers 4), or `rope_parameters` (5).
  func rotary() throws(ConfigurationError) -> (theta: Double, scaling: RotaryScaling) {
    if let rope = try section("rope_parameters") {
      return (try rope.double("rope_theta", above: 0), try rope.rotaryScaling(typeKeys: ["rope_type"]))
    }
    let theta = try double("rope_theta", above: 0)
    guard let scaling = try section("rope_scaling") else { return (theta, .none) }
    return (theta, try scaling.rotaryScaling(typeKeys: ["rope_type", "type"]))
  }

  /// The scaling that this section describes; kinds that are not computed here are refused by name.
  private func rotaryScaling(typeKeys: [String]) throws(ConfigurationError) -> RotaryScaling {
    let key = typeKeys.first { value($0) != nil } ?? typeKeys[0]
    switch try string(key) {
    case "default": return .none
    case "linear": return .linear(factor: try double("factor", above: 0))
    case "yarn":
      if try optionalBool("truncate") == false { throw invalid("truncate", "true", false) }
      let factor = try double("factor", above: 0)
      let (scale, scaleAll) = (
        try optionalDouble("mscale", above: -1e-300) ?? 0, try optionalDouble("mscale_all_dim", above: -1e-300) ?? 0
      )
      let derived =
        scale != 0 && scaleAll != 0
        ? YaRN.temperature(factor: factor, scale: scale) / YaRN.temperature(factor: factor, scale: scaleAll)
        : YaRN.temperature(factor: factor)
      return .yarn(
        YaRN(
          factor: factor, originalPositions: try int("original_max_position_embeddings", in: 1...16_777_216),
          betaFast: try optionalDouble("beta_fast", above: 0) ?? 32,
          betaSlow: try optionalDouble("beta_slow", above: 0) ?? 1,
          attentionFactor: try optionalDouble("attention_factor", above: 0) ?? derived))
    case let other: throw invalid(key, "default, linear or yarn", other)
    }
  }

  /// Refuses attention windows shorter than the context, which would be computed as if they were not there.
  func checkNoWindow(_ key: String, positions: Int) throws(ConfigurationError) {
    guard let window = try optionalInt(key, in: 0...1_000_000_000), window > 0, window < positions else { return }
    throw invalid(key, "null, or at least the \(positions) positions of the context", window)
  }
}
