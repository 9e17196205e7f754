/// What the two Qwen families state alike: which blocks are sparse, the experts, and how they are weighed.
///
/// Block i is sparse unless `mlp_only_layers` lists it (an absent list is empty) or `decoder_sparse_step` does not
/// divide i + 1.
enum QwenMoE {
  static func configuration(
    _ family: any Family.Type, _ config: ConfigurationReader, json: String, _ keys: DecoderKeys,
    attention: AttentionShape
  ) throws(ConfigurationError) -> ModelConfiguration {
    let isThird = family.modelType == Qwen3MoE.modelType
    try config.checkNoWindow(positions: keys.maxPositions, hasSwitch: true, readsLayers: !isThird)
    // transformers 5 writes Qwen3's under the name that Mixtral has.
    let experts = try config.experts(isThird ? ["num_experts", "num_local_experts"] : ["num_experts"])
    let step = try config.int("decoder_sparse_step", in: 1...4096)
    let dense = Set(try config.integers("mlp_only_layers", in: 0...4095))
    let sparse = (0..<keys.layers).filter { !dense.contains($0) && ($0 + 1) % step == 0 }
    guard !sparse.isEmpty else {
      throw config.invalid("decoder_sparse_step", "a sparse layer among \(keys.layers)", step)
    }
    var configuration = family.configuration(
      keys, json: json, attention: attention, experts: experts,
      topK: try config.int("num_experts_per_tok", in: 1...experts),
      intermediate: try config.int("moe_intermediate_size", in: 1...1_048_576),
      weighting: ExpertWeighting(normalizes: try config.bool("norm_topk_prob")), sparseLayers: sparse)
    if sparse.count < keys.layers {
      configuration.denseIntermediate = try config.int("intermediate_size", in: 1...1_048_576)
    }
    configuration.auxiliaryCoefficient = try config.double("router_aux_loss_coef", above: -1e-300)
    return configuration
  }
}
