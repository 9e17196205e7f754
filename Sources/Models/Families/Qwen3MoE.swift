/// Qwen3-MoE: norms of each head's queries and keys, heads wider than hidden / heads, no shared expert.
///
/// - Source: Yang et al. 2025, Qwen3; transformers, `modeling_qwen3_moe.py`.
enum Qwen3MoE: Family {
  static let modelType = "qwen3_moe"

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config)
    guard config.value("head_dim") != nil else {
      throw .missing(
        key: "head_dim", file: config.file, expected: "the width of a head, which hidden_size does not tell")
    }
    return try QwenMoE.configuration(
      self, config, json: json, keys, attention: try keys.attention(config, norm: .perHead))
  }
}
