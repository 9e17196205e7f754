internal import Tensors

/// What every family's configuration says under the same keys.
struct DecoderKeys {
  var hidden: Int, layers: Int, vocabulary: Int, maxPositions: Int
  var heads: Int, kvHeads: Int, headDimension: Int
  var rmsEpsilon: Double, initializerRange: Double
  var tiesEmbeddings: Bool
  var endTokens: [Int]
  var rotary: RotarySettings

  /// Reads them.
  ///
  /// `num_key_value_heads` and `head_dim` have no default of a class but follow from other keys, as in transformers.
  ///
  /// - Parameters:
  ///   - config: The file.
  ///   - theta: Base of the rotary angles where the file has none, as the family's class in transformers has it.
  /// - Throws: ``ConfigurationError`` naming the first key that is missing or impossible.
  init(_ config: ConfigurationReader, theta: Double = 10_000) throws(ConfigurationError) {
    let activation = try config.string("hidden_act")
    // Two names of one function in transformers.
    guard ["silu", "swish"].contains(activation) else { throw config.invalid("hidden_act", "silu", activation) }
    for key in ["attention_bias", "mlp_bias"] where try config.optionalBool(key) == true {
      throw config.invalid(key, "false: no published model has these biases", true)
    }
    hidden = try config.int("hidden_size", in: 1...1_048_576)
    layers = try config.int("num_hidden_layers", in: 1...4096)
    vocabulary = try config.int("vocab_size", in: 1...16_777_216)
    maxPositions = try config.int("max_position_embeddings", in: 1...4_194_304)
    heads = try config.int("num_attention_heads", in: 1...65_536)
    kvHeads = try config.optionalInt("num_key_value_heads", in: 1...heads) ?? heads
    guard heads % kvHeads == 0 else { throw config.invalid("num_key_value_heads", "a divisor of \(heads)", kvHeads) }
    headDimension = try config.optionalInt("head_dim", in: 1...65_536) ?? hidden / heads
    rmsEpsilon = try config.double("rms_norm_eps", above: 0)
    initializerRange = try config.optionalDouble("initializer_range", above: 0) ?? 0.02
    tiesEmbeddings = try config.bool("tie_word_embeddings")
    endTokens = try config.integers("eos_token_id", in: 0...vocabulary - 1)
    rotary = try RotarySettings(config, theta: theta, positions: maxPositions)
  }

  /// Checks that the width of a head is the only one that the family has.
  ///
  /// - Throws: ``ConfigurationError`` where `head_dim` says another.
  func checkHeadsFill(_ config: ConfigurationReader) throws(ConfigurationError) {
    guard headDimension == hidden / heads else {
      throw config.invalid("head_dim", "hidden_size / num_attention_heads = \(hidden / heads)", headDimension)
    }
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
  /// The number of experts, which has a name for each way of writing a configuration.
  ///
  /// transformers takes another of two spellings in each family (`attribute_map`); where they differ, the file is at
  /// fault.
  ///
  /// - Parameter names: Spellings that the family's class knows, its own first.
  /// - Returns: The number.
  /// - Throws: ``ConfigurationError`` where none of them is there, or two spellings disagree.
  func experts(_ names: [String]) throws(ConfigurationError) -> Int {
    var found: (name: String, count: Int)?
    for name in names + ["num_experts", "num_local_experts", "n_routed_experts"].filter({ !names.contains($0) }) {
      guard let count = try optionalInt(name, in: 1...65_536) else { continue }
      if let found, found.count != count {
        throw invalid(name, "\(found.count), as \(found.name) says in the same file", count)
      }
      if found != nil || names.contains(name) { found = found ?? (name, count) }
    }
    guard let found else { return try int(names[0], in: 1...65_536) }
    return found.count
  }

  /// Refuses attention windows shorter than the context, which would be computed as if they were not there.
  ///
  /// - Parameters:
  ///   - positions: The context.
  ///   - hasSwitch: Whether `use_sliding_window` says that there are windows; otherwise they are there wherever they
  ///     have a width.
  ///   - readsLayers: Whether `layer_types`, if it is there, says which layers have one.
  /// - Throws: ``ConfigurationError``.
  func checkNoWindow(
    positions: Int, hasSwitch: Bool = false, readsLayers: Bool = false
  ) throws(ConfigurationError) {
    let types = try strings("layer_types")
    if let type = types.first(where: { $0 != "full_attention" }) {
      throw invalid("layer_types", "full_attention alone: windows and states are not computed", type)
    }
    let isOn = try optionalBool("use_sliding_window")
    let window = try optionalInt("sliding_window", in: 0...1_000_000_000)
    if let window, window >= positions { return }
    if hasSwitch || isOn != nil {
      guard isOn == true, !(readsLayers && !types.isEmpty) else { return }
      throw invalid("use_sliding_window", "false: sliding windows are not computed", true)
    }
    guard let window else { return }
    throw invalid("sliding_window", "null, or at least the \(positions) positions of the context", window)
  }

  /// Refuses a second spelling of a width that says another number.
  func checkSame(_ key: String, as other: String, _ value: Int) throws(ConfigurationError) {
    guard let found = try optionalInt(key, in: 1...1_048_576), found != value else { return }
    throw invalid(key, "\(value), as \(other), which this family reads", found)
  }
}
