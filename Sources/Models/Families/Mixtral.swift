/// Mixtral: all layers sparse, few large experts, weights of the chosen ones always divided by their sum.
///
/// - Source: Jiang et al. 2024; transformers, `modeling_mixtral.py`.
enum Mixtral: Family {
  static let modelType = "mixtral"

  static func configuration(
    _ config: ConfigurationReader, json: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    let keys = try DecoderKeys(config)
    try config.checkNoWindow("sliding_window", positions: keys.maxPositions)
    if let jitter = try config.optionalDouble("router_jitter_noise", above: -1e-300), jitter > 0 {
      throw config.invalid("router_jitter_noise", "0: noise of the router in training is not computed", jitter)
    }
    let experts = try config.int("num_local_experts", in: 1...65_536)
    var configuration = configuration(
      keys, json: json, attention: try keys.attention(config), experts: experts,
      topK: try config.int("num_experts_per_tok", in: 1...experts),
      intermediate: try config.int("intermediate_size", in: 1...1_048_576),
      weighting: ExpertWeighting(normalizes: true))
    configuration.auxiliaryCoefficient = try config.double("router_aux_loss_coef", above: -1e-300)
    return configuration
  }
}
