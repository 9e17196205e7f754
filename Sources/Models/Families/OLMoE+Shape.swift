extension OLMoE {
  /// A configuration of the given sizes, with the `config.json` that transformers reads for it.
  ///
  /// Key-value heads are as many as heads; every other value is that of the published OLMoE-1B-7B.
  ///
  /// - Parameters:
  ///   - layers: Number of blocks.
  ///   - hidden: H, an even multiple of `heads`.
  ///   - heads: Number of heads.
  ///   - experts: E.
  ///   - intermediate: I, width of one expert.
  ///   - topK: k.
  ///   - vocabulary: Size of the embedding table.
  ///   - context: Longest sequence.
  /// - Returns: The configuration, checked as a file's would be.
  /// - Throws: ``ConfigurationError`` naming the size that is impossible.
  public static func configuration(
    layers: Int, hidden: Int, heads: Int, experts: Int, intermediate: Int, topK: Int, vocabulary: Int, context: Int
  ) throws(ConfigurationError) -> ModelConfiguration {
    let json = """
      {
        "architectures": ["OlmoeForCausalLM"],
        "attention_bias": false,
        "clip_qkv": null,
        "dtype": "float32",
        "eos_token_id": null,
        "hidden_act": "silu",
        "hidden_size": \(hidden),
        "initializer_range": 0.02,
        "intermediate_size": \(intermediate),
        "max_position_embeddings": \(context),
        "model_type": "\(modelType)",
        "norm_topk_prob": false,
        "num_attention_heads": \(heads),
        "num_experts": \(experts),
        "num_experts_per_tok": \(topK),
        "num_hidden_layers": \(layers),
        "num_key_value_heads": \(heads),
        "rms_norm_eps": 1e-05,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "router_aux_loss_coef": 0.01,
        "tie_word_embeddings": false,
        "vocab_size": \(vocabulary)
      }

      """
    guard heads > 0, hidden % (2 * heads) == 0 else {
      throw .invalid(
        key: "hidden_size", file: "shape", expected: "an even number for each of \(heads) heads", found: "\(hidden)")
    }
    return try ModelFamily.configuration(json: json, file: "shape")
  }
}
