internal import Formats

/// What is known of the keys of a `config.json`: those that are read, those that change nothing here, and those that are
/// refused where they are not off. Any other key is told, once: ``ModelConfiguration/unknownKeys``.
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

  /// A key that is accepted where it says that it is off.
  struct Refused: Sendable {
    /// What it would mean.
    let meaning: String
    /// Values that mean off, beside `null`, an empty list and an empty object.
    var off: [JSONValue] = [.bool(false), .integer(0)]
  }

  /// Keys that change what is computed, in these families or in others, and are not computed where they are on; a family
  /// that reads one is not concerned.
  static let refused: [String: Refused] = [
    "quantization_config": Refused(meaning: "weights in a quantised type, which are not read", off: []),
    "compression_config": Refused(meaning: "weights in a quantised type, which are not read", off: []),
    "per_layer_config": Refused(meaning: "layers with settings of their own"),
    "clip_qkv": Refused(meaning: "limits of queries, keys and values, which OLMoE alone has", off: []),
    "qkv_bias": Refused(meaning: "biases of queries, keys and values, which Qwen2-MoE alone has"),
    "shared_expert_intermediate_size": Refused(meaning: "a shared expert, which this family does not have", off: [.integer(0)]),
    "n_shared_experts": Refused(meaning: "shared experts, which this family does not have", off: [.integer(0)]),
    "decoder_sparse_step": Refused(meaning: "dense layers, which this family does not have", off: [.integer(1)]),
    "mlp_only_layers": Refused(meaning: "dense layers, which this family does not have", off: []),
    "first_k_dense_replace": Refused(meaning: "dense layers, which this family does not have", off: [.integer(0)]),
    "moe_layer_freq": Refused(meaning: "dense layers, which this family does not have", off: [.integer(1)]),
    "scoring_func": Refused(meaning: "another function of the router", off: [.string("softmax")]),
    "topk_method": Refused(meaning: "another choice of experts", off: [.string("greedy")]),
    "n_group": Refused(meaning: "groups of experts", off: [.integer(0), .integer(1)]),
    "topk_group": Refused(meaning: "groups of experts", off: [.integer(0), .integer(1)]),
    "routed_scaling_factor": Refused(meaning: "a factor of the experts' weights", off: [.integer(1)]),
    "norm_topk_prob": Refused(
      meaning: "weights that are not divided by their sum, as this family's always are", off: [.bool(true)]),
    "q_lora_rank": latent, "kv_lora_rank": latent, "qk_nope_head_dim": latent, "qk_rope_head_dim": latent,
    "v_head_dim": latent,
    "num_nextn_predict_layers": Refused(meaning: "layers that predict further tokens", off: [.integer(0)]),
    "rotary_pct": Refused(meaning: "heads of which a part is rotated", off: [.integer(1)]),
    "rotary_dim": Refused(meaning: "heads of which a part is rotated", off: []),
    "rope_local_base_freq": Refused(meaning: "a second base of rotary angles", off: []),
    "no_rope_layers": Refused(meaning: "layers without positions", off: []),
    "no_rope_layer_interval": Refused(meaning: "layers without positions", off: []),
    "alibi": Refused(meaning: "positions as a slope of the scores"),
    "attention_chunk_size": Refused(meaning: "attention within chunks", off: []),
    "attn_logit_softcapping": Refused(meaning: "scores of attention that are bent", off: []),
    "final_logit_softcapping": Refused(meaning: "logits that are bent", off: []),
    "query_pre_attn_scalar": Refused(meaning: "another scale of attention", off: []),
    "attention_multiplier": Refused(meaning: "another scale of attention", off: []),
    "logit_scale": Refused(meaning: "a factor of the logits", off: [.integer(1)]),
    "logits_scaling": Refused(meaning: "a factor of the logits", off: [.integer(1)]),
    "embedding_multiplier": Refused(meaning: "a factor of the embeddings", off: [.integer(1)]),
    "residual_multiplier": Refused(meaning: "a factor of every block", off: [.integer(1)]),
    "scale_emb": Refused(meaning: "a factor of the embeddings", off: [.integer(1)]),
    "use_bias": Refused(meaning: "biases, which no published model has"),
    "lm_head_bias": Refused(meaning: "a bias of the logits"),
    "is_encoder_decoder": Refused(meaning: "an encoder"),
    "add_cross_attention": Refused(meaning: "attention to an encoder"),
    "is_causal": Refused(meaning: "attention to later tokens", off: [.bool(true)]),
    "use_bidirectional_attention": Refused(meaning: "attention to later tokens"),
    "vision_config": Refused(meaning: "a model of images", off: []),
    "audio_config": Refused(meaning: "a model of sounds", off: []),
  ]

  private static let latent = Refused(meaning: "latent attention, which DeepSeek-V2 alone has", off: [])

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

  /// Keys that say whether queries and keys are normalised, as the family does it or not.
  private static let norms = ["qk_layernorm", "use_qk_norm", "qk_norm"]
  /// Keys that say whether neighbours are rotated together, as DeepSeek-V2 does it and no other.
  private static let pairs = ["rope_interleave", "rope_interleaved"]

  /// Refuses what is known and not computed.
  ///
  /// - Returns: Keys that are not known, in order.
  /// - Throws: ``ConfigurationError`` naming the first that is refused.
  static func check(_ config: ConfigurationReader, family: String) throws(ConfigurationError) -> [String] {
    let own = used(by: family)
    var unknown: [String] = []
    for key in config.keys where !used.contains(key) && !own.contains(key) && training[key] == nil {
      guard let value = config.value(key) else { continue }
      if let refused = refused[key] {
        if value == .array([]) || value == .object([]) || refused.off.contains(where: value.equals) { continue }
        let off = refused.off.first.map(\.words).map { " or \($0)" } ?? ""
        throw config.invalid(key, "null\(off)", "\(value.words): \(refused.meaning)")
      }
      if norms.contains(key) || pairs.contains(key) {
        let isOn =
          pairs.contains(key)
          ? family == DeepSeekV2.modelType : [OLMoE.modelType, Qwen3MoE.modelType].contains(family)
        guard try config.optionalBool(key) == isOn else {
          throw config.invalid(key, "\(isOn), as \(family) computes it", value)
        }
      } else if !withoutEffect.contains(key) {
        unknown.append(key)
      }
    }
    return unknown
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
