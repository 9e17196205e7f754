internal import Formats

/// The keys of `tokenizer_config.json`: used, without effect here, refused; others are named in a note, since files of
/// the hub have many that nobody reads.
extension TokenizerConfiguration {
  /// Keys that are read.
  private static let used: Set = [
    "tokenizer_class", "add_prefix_space", "legacy", "split_special_tokens", "add_bos_token", "add_eos_token",
    "chat_template", "added_tokens_decoder", "model_specific_special_tokens", "extra_special_tokens",
    "additional_special_tokens", "auto_map",
  ]

  /// Keys that change no token: lengths, sides of padding, names, and what only other tokenizers heed.
  private static let withoutEffect: Set = [
    "backend", "chat_control_tokens", "clean_up_tokenization_spaces", "device_map", "do_lower_case", "errors",
    "files_loaded", "fix_mistral_regex", "from_slow", "image_size", "init_inputs", "is_local", "local_files_only",
    "mask_token_sent", "max_len", "max_length", "merges_file", "model_input_names", "model_max_length", "name_or_path",
    "pad_to_multiple_of", "pad_token_type_id", "padding", "padding_side", "patch_size", "processor_class",
    "remove_space", "response_schema", "response_template", "return_token_type_ids", "sp_model_kwargs",
    "spaces_between_special_tokens", "special_tokens_map_file", "stride", "tokenizer_file", "trim_offsets",
    "truncation", "truncation_side", "truncation_strategy", "trust_remote_code", "unk_token_id",
    "use_default_system_prompt", "use_fast", "verbose", "vocab_file", "vocab_size",
  ]

  /// Keys that would change tokens or text, each with what it would mean.
  private static let refused: [String: String] = [
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output":
      "takes spaces before punctuation out of decoded text",
    "gguf_file": "reads the tokenizer from a GGUF file",
    "merges": "takes the place of the merges of tokenizer.json",
    "post_processor": "takes the place of the post_processor of tokenizer.json",
    "tokenizer_object": "takes the place of tokenizer.json",
    "tokenizer_padding": "takes the place of the padding of tokenizer.json",
    "tokenizer_truncation": "takes the place of the truncation of tokenizer.json",
    "vocab": "takes the place of the vocabulary of tokenizer.json",
  ]

  /// All of them.
  private static let known = KnownKeys(
    used: used.union(names), withoutEffect: withoutEffect,
    refused: refused.mapValues { KnownKeys.Refused(meaning: "which " + $0) }, origin: "tokenizer_config.json")

  /// Refuses what would change tokens; what is not known becomes one note.
  static func check(_ file: TokenizerSection, _ notes: inout [String]) throws(TokenizerError) {
    if let files = file.value["fast_tokenizer_files"], files != .array([.string("tokenizer.json")]), files != .null {
      throw file.unsupported(
        "fast_tokenizer_files", "\(files.kind), which may name other files than tokenizer.json,", "tokenizer.json alone"
      )
    }
    var unknown: [String] = []
    for problem in known.problems(in: file.value) where problem.key != "fast_tokenizer_files" {
      let isToken = problem.key.hasSuffix("_token") && file.value[problem.key]?.bool == nil
      guard problem.isUnknown else { throw file.unsupported(problem.key, problem.found + ",", "no such key") }
      if !isToken { unknown.append("'\(problem.key)'") }
    }
    if !unknown.isEmpty {
      notes.append(
        "\(file.source): \(unknown.joined(separator: ", ")): not known to this version and not used; if the tokens depend on "
          + "\(unknown.count == 1 ? "it" : "them"), they differ")
    }
    if case .object? = file.value["auto_map"] {
      notes.append(
        "\(file.source): auto_map: names code for the tokenizer, which is not run; tokenizer.json is read as it is")
    }
  }
}
