/// DeepSeek-MoE (v1): fine experts beside shared ones that every token uses, a dense block first.
///
///     y(x) = Σ_{e ∈ Top-k(p)} w_e · E_e(x) + S(x),   w = p, or p / (Σ p + 1e-20) where `norm_topk_prob`
///
/// - Source: Dai et al. 2024, DeepSeekMoE, eq. 9–11; `modeling_deepseek.py` beside the published weights.
enum DeepSeek: Family {
  static let modelType = "deepseek"

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config)
    try keys.checkHeadsFill(config)
    return try configuration(
      self, config, json: json, keys, attention: try keys.attention(config),
      weighting: ExpertWeighting(normalizes: try config.bool("norm_topk_prob")))
  }

  /// What both DeepSeek families state alike: which blocks are sparse, routed and shared experts.
  ///
  /// Block i is sparse from `first_k_dense_replace` on where `moe_layer_freq` divides i.
  static func configuration(
    _ family: any Family.Type, _ config: ConfigurationReader, json: String, _ keys: DecoderKeys,
    attention: AttentionShape, weighting: ExpertWeighting
  ) throws(ConfigurationError) -> ModelConfiguration {
    if config.value("scoring_func") != nil {
      let function = try config.string("scoring_func")
      guard function == "softmax" else { throw config.invalid("scoring_func", "softmax", function) }
    }
    try config.checkNoWindow(positions: keys.maxPositions)
    let experts = try config.experts(["n_routed_experts", "num_experts"])
    let width = try config.int("moe_intermediate_size", in: 1...1_048_576)
    let first = try config.int("first_k_dense_replace", in: 0...4096)
    let step = try config.optionalInt("moe_layer_freq", in: 1...4096) ?? 1
    let sparse = (0..<keys.layers).filter { $0 >= first && $0 % step == 0 }
    guard !sparse.isEmpty else {
      throw config.invalid("first_k_dense_replace", "a sparse layer among \(keys.layers)", first)
    }
    var configuration = family.configuration(
      keys, json: json, attention: attention, experts: experts,
      topK: try config.int("num_experts_per_tok", in: 1...experts), intermediate: width, weighting: weighting,
      sparseLayers: sparse)
    if sparse.count < keys.layers {
      configuration.denseIntermediate = try config.int("intermediate_size", in: 1...1_048_576)
    }
    if let count = try config.optionalInt("n_shared_experts", in: 0...4096), count > 0 {
      configuration.shared = SharedShape(name: "shared_experts", intermediate: count * width, isGated: false)
    }
    return configuration
  }
}
