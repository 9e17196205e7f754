internal import Formats

/// What is known of the keys of a `config.json`: those that are read, those that change nothing here, and those that
/// are refused where they are not off. Any other key is told, once: ``ModelConfiguration/unknownKeys``.
///
/// The tables follow the classes of transformers 5.24, and for DeepSeek-MoE (v1) the code beside its published weights;
/// docs/compatibility.md says them in words.
enum ConfigurationKeys {
  /// Read for every family.
  static let used: Set = [
    "model_type", "hidden_act", "hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings",
    "num_attention_heads", "num_key_value_heads", "head_dim", "rms_norm_eps", "initializer_range",
    "tie_word_embeddings", "eos_token_id", "rope_theta", "rope_scaling", "rope_parameters",
    "original_max_position_embeddings", "partial_rotary_factor", "attention_bias", "mlp_bias", "sliding_window",
    "use_sliding_window", "layer_types", "num_experts_per_tok", "intermediate_size", "moe_intermediate_size",
    "num_experts", "num_local_experts", "n_routed_experts",
  ]

  /// Read for one family, beside those of all.
  static func used(by family: String) -> Set<String> {
    switch family {
    case OLMoE.modelType: ["clip_qkv", "norm_topk_prob", "router_aux_loss_coef"]
    case Mixtral.modelType: ["router_aux_loss_coef"]
    case Qwen2MoE.modelType:
      [
        "norm_topk_prob", "router_aux_loss_coef", "decoder_sparse_step", "mlp_only_layers", "qkv_bias",
        "shared_expert_intermediate_size",
      ]
    case Qwen3MoE.modelType:
      ["norm_topk_prob", "router_aux_loss_coef", "decoder_sparse_step", "mlp_only_layers"]
    case DeepSeek.modelType: deepSeek
    case DeepSeekV2.modelType:
      deepSeek.union([
        "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "routed_scaling_factor",
        "topk_method", "n_group", "topk_group",
      ])
    default: []
    }
  }

  private static let deepSeek: Set = [
    "norm_topk_prob", "first_k_dense_replace", "moe_layer_freq", "n_shared_experts", "scoring_func",
  ]

  /// Whatever they say, they change nothing here: names and versions, how transformers runs and what it returns, its
  /// defaults for generated text (transformers 5 drops them from this file), losses that a recipe chooses.
  static let withoutEffect: Set = [
    "architectures", "auto_map", "transformers_version", "dtype", "torch_dtype", "_name_or_path", "name_or_path",
    "_commit_hash", "model_max_length", "tokenizer_class", "prefix", "finetuning_task", "task_specific_params",
    "problem_type", "id2label", "label2id", "num_labels", "classifier_dropout", "summary_type",
    // Tokens other than the ends of a text; a padding token is never an input here.
    "bos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "unk_token_id", "decoder_start_token_id",
    // How it runs.
    "use_cache", "output_attentions", "output_hidden_states", "output_router_logits", "return_dict", "torchscript",
    "chunk_size_feed_forward", "pruned_heads", "use_bfloat16", "tf_legacy_loss", "pretraining_tp", "ep_size",
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
    "experts_implementation", "_experts_implementation", "_experts_implementation_internal", "_flash_attn_2_enabled",
    "gradient_checkpointing", "tie_encoder_decoder", "is_decoder", "cross_attention_hidden_size",
    "tie_last_hidden_states", "transformers_weights", "base_model_tp_plan", "base_model_pp_plan", "base_model_ep_plan",
    // Follow from other keys.
    "max_window_layers", "qk_head_dim",
    // Losses: a recipe says which balance loss there is, and its coefficient.
    "router_aux_loss_coef", "aux_loss_alpha", "seq_aux", "router_z_loss_coef",
    // Defaults of generated text, which belong into generation_config.json.
    "max_length", "min_length", "do_sample", "early_stopping", "num_beams", "temperature", "top_k", "top_p",
    "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
    "bad_words_ids", "num_return_sequences", "output_scores", "return_dict_in_generate", "forced_bos_token_id",
    "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens",
    "begin_suppress_tokens", "epsilon_cutoff", "eta_cutoff", "encoder_repetition_penalty", "num_assistant_tokens",
    "num_beam_groups", "diversity_penalty",
  ]

  /// Keys that change what is computed, in these families or in others, and are not computed where they are on; a
  /// family that reads one is not concerned.
  static let refused: [String: KnownKeys.Refused] = [
    "quantization_config": .init(meaning: "weights in a quantised type, which are not read"),
    "compression_config": .init(meaning: "weights in a quantised type, which are not read"),
    "per_layer_config": .init(meaning: "layers with settings of their own"),
    "clip_qkv": .init(meaning: "limits of queries, keys and values, which OLMoE alone has"),
    "qkv_bias": .init(meaning: "biases of queries, keys and values, which Qwen2-MoE alone has"),
    "shared_expert_intermediate_size": .init(
      meaning: "a shared expert, which this family does not have", off: .integer(0)),
    "n_shared_experts": .init(meaning: "shared experts, which this family does not have", off: .integer(0)),
    "decoder_sparse_step": .init(meaning: "dense layers, which this family does not have", off: .integer(1)),
    "mlp_only_layers": .init(meaning: "dense layers, which this family does not have"),
    "first_k_dense_replace": .init(meaning: "dense layers, which this family does not have", off: .integer(0)),
    "moe_layer_freq": .init(meaning: "dense layers, which this family does not have", off: .integer(1)),
    "scoring_func": .init(meaning: "another function of the router", off: .string("softmax")),
    "topk_method": .init(meaning: "another choice of experts", off: .string("greedy")),
    "n_group": .init(meaning: "groups of experts", off: .integer(1)),
    "topk_group": .init(meaning: "groups of experts", off: .integer(1)),
    "routed_scaling_factor": .init(meaning: "a factor of the experts' weights", off: .integer(1)),
    "q_lora_rank": latent, "kv_lora_rank": latent, "qk_nope_head_dim": latent, "qk_rope_head_dim": latent,
    "v_head_dim": latent,
    "num_nextn_predict_layers": .init(meaning: "layers that predict further tokens", off: .integer(0)),
    "rotary_pct": .init(meaning: "heads of which a part is rotated", off: .integer(1)),
    "rotary_dim": .init(meaning: "heads of which a part is rotated"),
    "rope_local_base_freq": .init(meaning: "a second base of rotary angles"),
    "no_rope_layers": .init(meaning: "layers without positions"),
    "no_rope_layer_interval": .init(meaning: "layers without positions"),
    "alibi": .init(meaning: "positions as a slope of the scores"),
    "attention_chunk_size": .init(meaning: "attention within chunks"),
    "attn_logit_softcapping": .init(meaning: "scores of attention that are bent"),
    "final_logit_softcapping": .init(meaning: "logits that are bent"),
    "query_pre_attn_scalar": .init(meaning: "another scale of attention"),
    "attention_multiplier": .init(meaning: "another scale of attention"),
    "logit_scale": .init(meaning: "a factor of the logits", off: .integer(1)),
    "logits_scaling": .init(meaning: "a factor of the logits", off: .integer(1)),
    "embedding_multiplier": .init(meaning: "a factor of the embeddings", off: .integer(1)),
    "residual_multiplier": .init(meaning: "a factor of every block", off: .integer(1)),
    "scale_emb": .init(meaning: "a factor of the embeddings", off: .integer(1)),
    "use_bias": .init(meaning: "biases, which no published model has"),
    "lm_head_bias": .init(meaning: "a bias of the logits"),
    "is_encoder_decoder": .init(meaning: "an encoder"),
    "add_cross_attention": .init(meaning: "attention to an encoder"),
    "use_bidirectional_attention": .init(meaning: "attention to later tokens"),
    "vision_config": .init(meaning: "a model of images"),
    "audio_config": .init(meaning: "a model of sounds"),
  ]

  private static let latent = KnownKeys.Refused(meaning: "latent attention, which DeepSeek-V2 alone has")

  /// Settings that change training alone: they are off in evaluation, so that a model that has them can be read.
  static let training: [String: String] = [
    "attention_dropout": "dropout of attention weights", "attention_probs_dropout_prob": "dropout of attention weights",
    "attn_pdrop": "dropout of attention weights", "hidden_dropout": "dropout of hidden states",
    "hidden_dropout_prob": "dropout of hidden states", "resid_pdrop": "dropout of hidden states",
    "embd_pdrop": "dropout of embeddings", "embedding_dropout": "dropout of embeddings",
    "expert_dropout": "dropout of experts", "moe_dropout": "dropout of experts", "dropout": "dropout",
    "router_jitter_noise": "noise of the router", "router_noise": "noise of the router",
    "input_jitter_noise": "noise of the router", "moe_input_jitter_eps": "noise of the router",
  ]

  /// Keys that say how a family computes, and may say nothing else: norms of queries and keys, neighbours that are
  /// rotated together, weights that are divided by their sum, attention to earlier tokens alone.
  static func fixed(_ family: String) -> [String: Bool] {
    let (hasNorms, hasPairs) = ([OLMoE.modelType, Qwen3MoE.modelType].contains(family), family == DeepSeekV2.modelType)
    var fixed = [
      "qk_layernorm": hasNorms, "use_qk_norm": hasNorms, "qk_norm": hasNorms, "rope_interleave": hasPairs,
      "rope_interleaved": hasPairs, "is_causal": true,
    ]
    if family == Mixtral.modelType { fixed["norm_topk_prob"] = true }
    return fixed
  }

  /// Refuses what is known and not computed.
  ///
  /// - Returns: Keys that are not known, in order.
  /// - Throws: ``ConfigurationError`` naming the first that is refused.
  static func check(_ config: ConfigurationReader, family: String) throws(ConfigurationError) -> [String] {
    let (own, fixed) = (used(by: family), fixed(family))
    for (key, value) in fixed.sorted(by: { $0.key < $1.key }) {
      guard let found = try config.optionalBool(key), found != value else { continue }
      throw config.invalid(key, "\(value), as \(family) computes it", found)
    }
    let known = KnownKeys(
      used: used.union(own).union(training.keys).union(fixed.keys), withoutEffect: withoutEffect,
      refused: refused.filter { !own.contains($0.key) }, origin: "\(family) in transformers")
    let problems = known.problems(in: config.json)
    if let problem = problems.first(where: { !$0.isUnknown }) {
      throw config.invalid(problem.key, problem.expected, problem.found)
    }
    return problems.map(\.key).sorted()
  }

  /// The setting that a model cannot be trained with; nil for none.
  ///
  /// - Throws: ``ConfigurationError`` for a value that is no number of at least 0.
  static func untrainable(_ config: ConfigurationReader) throws(ConfigurationError) -> ConfigurationError? {
    var first: ConfigurationError?
    for key in config.keys {
      guard let meaning = training[key], let share = try config.optionalShare(key), share > 0, first == nil else {
        continue
      }
      first = config.invalid(
        key, "0 for training: \(meaning) is not computed (without training it is off)",
        "\(share); try a copy of the model whose configuration says 0")
    }
    return first
  }
}
