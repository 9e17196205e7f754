/// Mixtral: all layers sparse, few large experts, weights of the chosen ones always divided by their sum.
///
/// - Source: Jiang et al. 2024; transformers, `modeling_mixtral.py`.
enum Mixtral: Family {
  static let modelType = "mixtral"

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config, theta: 1_000_000)
    try config.checkNoWindow(positions: keys.maxPositions)
    let experts = try config.experts(["num_local_experts", "num_experts"])
    let width = try config.int("intermediate_size", in: 1...1_048_576)
    try config.checkSame("moe_intermediate_size", as: "intermediate_size", width)
    var configuration = configuration(
      keys, json: json, attention: try keys.attention(config), experts: experts,
      topK: try config.int("num_experts_per_tok", in: 1...experts),
      intermediate: width,
      weighting: ExpertWeighting(normalizes: true))
    configuration.auxiliaryCoefficient = try config.double("router_aux_loss_coef", above: -1e-300)
    return configuration
  }
}
