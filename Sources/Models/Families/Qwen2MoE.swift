/// Qwen1.5-MoE and Qwen2-MoE: biases of queries, keys and values, a gated shared expert beside the routed ones.
///
/// - Source: Yang et al. 2024, Qwen2; transformers, `modeling_qwen2_moe.py`.
enum Qwen2MoE: Family {
  static let modelType = "qwen2_moe"

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config)
    // Older files do not state it; all published models have the biases, and files without them lack tensors.
    let hasBias = config.value("qkv_bias") == nil ? true : try config.bool("qkv_bias")
    var configuration = try QwenMoE.configuration(
      self, config, json: json, keys, attention: try keys.attention(config, hasBias: hasBias))
    configuration.shared = SharedShape(
      name: "shared_expert", intermediate: try config.int("shared_expert_intermediate_size", in: 1...1_048_576),
      isGated: true)
    return configuration
  }
}
