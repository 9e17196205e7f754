internal import Formats

/// What `generation_config.json` says: when a text ends, and how its tokens are drawn.
///
/// - Source: `GenerationConfig` of transformers 5.24.
public struct GenerationSettings: Sendable, Equatable {
  /// Tokens that end a text.
  public var endTokens: [Int] = []
  /// Texts that end one.
  public var stopStrings: [String] = []
  /// Whether tokens are drawn; otherwise the likeliest is taken, and temperature, top-k and top-p say nothing.
  public var samples = false
  /// Logits are divided by it; nil for 1.
  public var temperature: Double?
  /// So many likeliest tokens are drawn from, 0 for all; nil for transformers' 50.
  public var topK: Int?
  /// The likeliest tokens of this share are drawn from; nil for all.
  public var topP: Double?
  /// Logits of tokens that occurred are divided by it; nil for 1.
  public var repetitionPenalty: Double?
  /// Most tokens that are added; nil where the file does not say.
  public var maxNewTokens: Int?
  /// What else it asks for that is not computed, `min_p 0.05`.
  public var ignored: [String] = []
  /// Keys that nothing here knows, in order.
  public var unknownKeys: [String] = []

  /// Without a file.
  public init() {}

  /// Reads the file.
  ///
  /// - Parameters:
  ///   - json: Its text.
  ///   - file: Its name in messages.
  ///   - vocabulary: Number of tokens that the model has.
  /// - Throws: ``ConfigurationError`` for what is no JSON object, and for a value of another type or out of range.
  public init(json: String, file: String, vocabulary: Int) throws(ConfigurationError) {
    let config = try ConfigurationReader(json: json, file: file)
    endTokens = try config.integers("eos_token_id", in: 0...vocabulary - 1)
    stopStrings = try config.strings("stop_strings").filter { !$0.isEmpty }
    samples = try config.optionalBool("do_sample") ?? false
    temperature = try config.optionalShare("temperature")
    // Engines write -1 for all tokens.
    topK = try config.optionalInt("top_k", in: -1...1_000_000_000).map { max(0, $0) }
    topP = try config.optionalDouble("top_p", above: 0).map { min(1, $0) }
    repetitionPenalty = try config.optionalDouble("repetition_penalty", above: 0)
    maxNewTokens = try config.optionalInt("max_new_tokens", in: 1...1_000_000_000)
    let known = KnownKeys(
      used: Self.used, withoutEffect: Self.withoutEffect, refused: Self.notComputed,
      origin: "generation_config.json of transformers")
    let problems = known.problems(in: config.json)
    ignored = problems.filter { !$0.isUnknown }.compactMap { problem in
      config.value(problem.key).map { "\(problem.key) \($0.kind)" }
    }
    unknownKeys = problems.filter(\.isUnknown).map(\.key).sorted()
  }

  /// What tasks take from the file and what they leave aside, in a line; nil where it says nothing to them. They take
  /// the likeliest token whatever it says, as lm-evaluation-harness does, under the penalty that it names.
  package var taskLine: String? {
    let penalty = repetitionPenalty.flatMap { $0 == 1 ? nil : "repetition_penalty \($0) is used" }
    let rest = ignored + (stopStrings.isEmpty ? [] : ["stop_strings"])
    let parts = [penalty, rest.isEmpty ? nil : "not computed: " + rest.joined(separator: ", ")].compactMap(\.self)
    return parts.isEmpty ? nil : "generation_config.json: generated answers: " + parts.joined(separator: "; ")
  }

  /// Keys that are read.
  static let used: Set = [
    "eos_token_id", "stop_strings", "do_sample", "temperature", "top_k", "top_p", "repetition_penalty",
    "max_new_tokens",
  ]

  /// Keys that do not change the text: other tokens, how transformers runs and what it returns, assistants, which only
  /// make it faster, and settings of what is refused below.
  static let withoutEffect: Set = [
    "transformers_version", "_from_model_config", "_commit_hash", "bos_token_id", "pad_token_id",
    "decoder_start_token_id", "use_cache", "cache_implementation", "cache_config", "max_cache_len",
    "return_legacy_cache", "prefill_chunk_size", "output_attentions", "output_hidden_states", "output_scores",
    "output_logits", "return_dict_in_generate", "num_return_sequences", "compile_config", "disable_compile",
    "continuous_batching_config", "early_stopping", "length_penalty", "num_assistant_tokens",
    "num_assistant_tokens_schedule", "assistant_confidence_threshold", "assistant_early_exit",
    "assistant_lookbehind", "target_lookbehind", "is_assistant", "prompt_lookup_num_tokens",
    "max_matching_ngram_size", "remove_invalid_values", "renormalize_logits", "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty", "low_memory", "trust_remote_code", "use_mtp", "speculation_type", "chat_format",
    "max_window_size",
  ]

  /// Keys that change the text and are not computed, with the values that mean off.
  static let notComputed = off(
    nil,
    [
      "top_h", "dola_layers", "bad_words_ids", "force_words_ids", "constraints", "forced_bos_token_id",
      "forced_eos_token_id", "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens",
      "sequence_bias", "watermarking_config", "max_time", "token_healing", "assistant_ensemble_weight",
    ]
  ).merging(
    off(
      .integer(0),
      [
        "min_p", "epsilon_cutoff", "eta_cutoff", "diversity_penalty", "penalty_alpha", "no_repeat_ngram_size",
        "min_length", "min_new_tokens",
      ])
  ) { $1 }.merging(off(.integer(1), ["typical_p", "num_beams", "num_beam_groups", "guidance_scale"])) { $1 }
    .merging(off(.integer(20), ["max_length"])) { $1 }

  private static func off(_ value: JSONValue?, _ keys: [String]) -> [String: KnownKeys.Refused] {
    Dictionary(uniqueKeysWithValues: keys.map { ($0, .init(meaning: "another text", off: value)) })
  }
}
