internal import Text

/// Keys of the harness's files: those that are read, and those that change nothing in a comparison by question.
///
/// - Source: lm_eval 0.4.3 to 0.4.13, `evaluator.py`, `evaluator_utils.py`, `loggers/evaluation_tracker.py`.
enum HarnessKeys {
  /// Keys of a line of a samples file beside its metrics.
  static let samples: Set<String> = [
    // Read.
    "doc_id", "doc_hash", "prompt_hash", "target", "arguments", "filtered_resps", "filter", "metrics",
    // The row itself, the answers before the filter, and what follows from `target`.
    "doc", "resps", "target_hash",
  ]

  /// Keys of a results file at the top.
  static let results: Set<String> = [
    // Read.
    "groups", "group_subtasks", "higher_is_better", "occult", "communication", "device_limit",
    // Figures that are made anew from the samples.
    "results", "n-samples", "samples",
    // What was run, and where.
    "configs", "versions", "n-shot", "config", "git_hash", "date", "pretty_env_info", "transformers_version",
    "lm_eval_version", "upper_git_hash", "tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token",
    "eot_token_id", "max_length", "task_hashes", "model_source", "model_name", "model_name_sanitized",
    "system_instruction", "system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha",
    "start_time", "end_time", "total_evaluation_time_seconds",
  ]

  /// What to say of keys that are in neither list; nil for none.
  static func note(_ path: String, _ unread: UnreadColumns) -> String? {
    if unread.names.isEmpty { return nil }
    let names = unread.names.prefix(12).map { "'\($0)'" }.joined(separator: ", ")
    return "\(path): nothing here knows the keys \(names)"
      + (unread.names.count > 12 ? " and \(unread.names.count - 12) more" : "")
  }
}
