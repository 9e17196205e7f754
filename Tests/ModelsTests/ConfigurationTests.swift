import Placements
import Foundation
import Testing

@testable import Models

@Suite struct ConfigurationTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path

  private static func text(_ path: String) throws -> String {
    try String(contentsOfFile: folder + "/" + path, encoding: .utf8)
  }

  /// Numbers of parameters as published: OLMoE 6.92 B, Mixtral 46.7 B, Qwen1.5-MoE 14.3 B, DeepSeek-MoE 16.4 B, V2-Lite
  /// 15.7 B.
  @Test(
    arguments: [
      ("olmoe", 6_919_161_856), ("mixtral", 46_702_792_704), ("qwen", 14_315_784_192), ("deepseek", 16_375_728_128),
      ("deepseek_v2_lite", 15_706_484_224),
    ])
  func publishedModelsHaveTheirNumberOfParameters(name: String, parameters: Int) throws {
    let configuration = try ModelFamily.configuration(
      json: try Self.text("Configurations/\(name).json"), file: "config.json")
    #expect(configuration.parameterCount == parameters)
  }

  @Test func whatFamiliesLeaveToTheirSwitches() throws {
    func configuration(_ name: String) throws -> ModelConfiguration {
      try ModelFamily.configuration(json: try Self.text("Configurations/\(name).json"), file: "config.json")
    }
    let lite = try configuration("deepseek_v2_lite")
    #expect(lite.sparseLayers == Array(1..<27) && lite.denseIntermediate == 10944)
    #expect(lite.shared == SharedShape(name: "shared_experts", intermediate: 2816, isGated: false))
    // 192^(-1/2) · (0.1 · 0.707 · ln 40 + 1)²: older versions of transformers leave the second factor out.
    #expect(abs((lite.attention.latent?.scale ?? 0) - 0.114_721_386) <= 1e-8)
    let qwen = try configuration("qwen")
    #expect(qwen.attention.hasBias && qwen.sparseLayers.count == 24 && !qwen.weighting.normalizes)
    #expect(try configuration("mixtral").weighting.normalizes)
    #expect(try configuration("deepseek").sparseLayers == Array(1..<28))
  }

  /// One change to a readable configuration, and what is said about it.
  static let errors: [(model: String, from: String, to: String, message: String)] = [
    (
      "qwen2_moe-tiny", #""norm_topk_prob": false"#, #""_": 0"#,
      "norm_topk_prob: expected true or false, found nothing; class defaults are not used: add the key"
    ),
    (
      "qwen2_moe-tiny", #""decoder_sparse_step": 1"#, #""decoder_sparse_step": 3"#,
      "decoder_sparse_step: expected a sparse layer among 2, found 3"
    ),
    (
      "qwen3_moe-tiny", #""use_sliding_window": false"#, #""use_sliding_window": true"#,
      "use_sliding_window: expected false: sliding windows are not computed, found true"
    ),
    (
      "qwen2_moe-tiny", #""shared_expert_intermediate_size": 56"#, #""shared_expert_intermediate_size": 0"#,
      "shared_expert_intermediate_size: expected an integer in 1...1048576, found 0"
    ),
    (
      "qwen3_moe-tiny", #""head_dim": 16"#, #""head_dim": null"#,
      "head_dim: expected the width of a head, which hidden_size does not tell, found nothing; "
        + "class defaults are not used: add the key"
    ),
    (
      "mixtral-tiny", #""sliding_window": null"#, #""sliding_window": 100"#,
      "sliding_window: expected null, or at least the 256 positions of the context, found 100"
    ),
    (
      "mixtral-tiny", #""sliding_window": null"#, #""sliding_window": 0"#,
      "sliding_window: expected null, or at least the 256 positions of the context, found 0"
    ),
    (
      "mixtral-tiny", #""router_jitter_noise": 0.0"#, #""router_jitter_noise": -0.1"#,
      "router_jitter_noise: expected a number of at least 0, found -0.1"
    ),
    (
      "mixtral-tiny", #""num_local_experts": 8"#, #""num_local_experts": 8, "num_experts": 4"#,
      "num_experts: expected 8, as num_local_experts says in the same file, found 4"
    ),
    (
      "qwen3_moe-tiny", #""num_local_experts": 8"#, #""num_local_experts": 8, "num_experts": 4"#,
      "num_local_experts: expected 4, as num_experts says in the same file, found 8"
    ),
    (
      "qwen2_moe-tiny", #""num_experts": 8"#, #""num_experts": 8, "n_routed_experts": 9"#,
      "n_routed_experts: expected 8, as num_experts says in the same file, found 9"
    ),
    (
      "qwen2_moe-tiny", #""num_experts": 8"#, #""num_local_experts": 8"#,
      "num_experts: expected an integer in 1...65536, found nothing; class defaults are not used: add the key"
    ),
    (
      "deepseek_v2-tiny", #""n_routed_experts": 8"#, #""n_routed_experts": 8, "num_experts": 16"#,
      "num_experts: expected 8, as n_routed_experts says in the same file, found 16"
    ),
    (
      "mixtral-tiny", #""intermediate_size": 24"#, #""intermediate_size": 24, "moe_intermediate_size": 32"#,
      "moe_intermediate_size: expected 24, as intermediate_size, which this family reads, found 32"
    ),
    (
      "olmoe-tiny", #""num_experts": 8"#, #""num_experts": 8, "head_dim": 32"#,
      "head_dim: expected hidden_size / num_attention_heads = 16, found 32"
    ),
    (
      "olmoe-tiny", #""attention_bias": false"#, #""attention_bias": true"#,
      "attention_bias: expected false: no published model has these biases, found true"
    ),
    (
      "olmoe-tiny", #""attention_bias": false"#, #""attention_bias": 1"#,
      "attention_bias: expected true or false, found 1"
    ),
    (
      "olmoe-tiny", #""num_experts": 8"#, #""num_experts": 8, "quantization_config": {"quant_method": "fp8"}"#,
      "quantization_config: expected nothing, found an object, weights in a quantised type, which are not read"
    ),
    (
      "olmoe-tiny", #""num_experts": 8"#, #""num_experts": 8, "n_shared_experts": 2"#,
      "n_shared_experts: expected 0, found 2, shared experts, which this family does not have"
    ),
    (
      "mixtral-tiny", #""num_local_experts": 8"#, #""num_local_experts": 8, "norm_topk_prob": false"#,
      "norm_topk_prob: expected true, as mixtral computes it, found false"
    ),
    (
      "qwen2_moe-tiny", #""num_experts": 8"#, #""num_experts": 8, "qk_layernorm": true"#,
      "qk_layernorm: expected false, as qwen2_moe computes it, found true"
    ),
    (
      "qwen2_moe-tiny", #""full_attention"#, #""sliding_attention"#,
      "layer_types: expected full_attention alone: windows and states are not computed, found sliding_attention"
    ),
    (
      "olmoe-tiny", #""num_experts": 8"#, #""num_experts": 8, "sliding_window": 16"#,
      "sliding_window: expected null, or at least the 256 positions of the context, found 16"
    ),
    (
      "deepseek-tiny", #""scoring_func": "softmax""#, #""scoring_func": "softmax", "routed_scaling_factor": 2.5"#,
      "routed_scaling_factor: expected 1, found 2.5, a factor of the experts' weights"
    ),
    (
      "mixtral-odd", #""rope_type": "linear""#, #""rope_type": "longrope""#,
      "rope_parameters.rope_type: expected default, linear, dynamic, yarn or llama3, found longrope"
    ),
    (
      "mixtral-odd", #""factor": 2.0"#, #""_": 0"#,
      "rope_parameters.factor: expected a number above 0.0, found nothing; class defaults are not used: add the key"
    ),
    (
      "deepseek-tiny", #""scoring_func": "softmax""#, #""scoring_func": "sigmoid""#,
      "scoring_func: expected softmax, found sigmoid"
    ),
    (
      "deepseek-tiny", #""first_k_dense_replace": 1"#, #""first_k_dense_replace": 7"#,
      "first_k_dense_replace: expected a sparse layer among 3, found 7"
    ),
    (
      "deepseek_v2-odd", #""topk_method": "group_limited_greedy""#, #""topk_method": "noaux_tc""#,
      "topk_method: expected greedy or group_limited_greedy, found noaux_tc"
    ),
    (
      "deepseek_v2-odd", #""n_group": 4"#, #""n_group": 5"#, "n_group: expected a divisor of 12 experts, found 5"
    ),
    (
      "deepseek_v2-odd", #""topk_group": 2"#, #""topk_group": 0"#,
      "topk_group: expected an integer in 1...4, found 0"
    ),
    (
      "deepseek_v2-odd", #""norm_topk_prob": false"#, #""norm_topk_prob": true"#,
      "norm_topk_prob: expected false: implementations disagree on what true means, found true"
    ),
    (
      "deepseek_v2-odd", #""routed_scaling_factor": 2.5"#, #""_": 0"#,
      "routed_scaling_factor: expected a number above 0.0, found nothing; class defaults are not used: add the key"
    ),
    (
      "deepseek_v2-odd", #""qk_rope_head_dim": 8"#, #""qk_rope_head_dim": 7"#,
      "qk_rope_head_dim: expected an even number, found 7"
    ),
    (
      "olmoe-tiny", #""model_type": "olmoe""#, #""model_type": "jetmoe""#,
      "model_type: expected one of olmoe, mixtral, qwen2_moe, qwen3_moe, deepseek, deepseek_v2, found jetmoe"
    ),
    (
      "olmoe-tiny", #""num_hidden_layers": 2"#, #""num_hidden_layers": 1000000000"#,
      "num_hidden_layers: expected an integer in 1...4096, found 1000000000"
    ),
  ]

  @Test(arguments: errors.indices) func errorsAreThisText(index: Int) throws {
    let (model, from, to, message) = Self.errors[index]
    let json = try Self.text("Oracles/\(model)/config.json")
    #expect(json.contains(from), "\(model): \(from)")
    let error = #expect(throws: ConfigurationError.self) {
      try ModelFamily.configuration(json: json.replacing(from, with: to), file: "config.json")
    }
    #expect(error?.description == "config.json: " + message)
  }
}
