/// OLMoE: all layers sparse, norms over the whole query and key projections, no shared experts.
///
/// - Source: Muennighoff et al. 2024; transformers, `modeling_olmoe.py`.
public enum OLMoE: Family {
  static let modelType = "olmoe"

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config)
    try keys.checkHeadsFill(config)
    try config.checkNoWindow(positions: keys.maxPositions)
    let experts = try config.experts(["num_experts", "num_local_experts"])
    let width = try config.int("intermediate_size", in: 1...1_048_576)
    try config.checkSame("moe_intermediate_size", as: "intermediate_size", width)
    var configuration = configuration(
      keys, json: json,
      attention: try keys.attention(config, norm: .whole, clip: try config.optionalDouble("clip_qkv", above: 0)),
      experts: experts, topK: try config.int("num_experts_per_tok", in: 1...experts),
      intermediate: width,
      weighting: ExpertWeighting(normalizes: try config.bool("norm_topk_prob")))
    configuration.auxiliaryCoefficient = try config.double("router_aux_loss_coef", above: -1e-300)
    return configuration
  }
}
