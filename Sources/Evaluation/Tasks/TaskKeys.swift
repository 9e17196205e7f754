internal import Training

/// Keys of the harness's task files that ours do not have: passed over where they change nothing here, refused by name
/// where they would change a score.
///
/// - Source: lm_eval 0.4.13, `config/task.py`, `models/huggingface.py`.
struct TaskKeys {
  /// Keys that change nothing here.
  let withoutEffect: Set<String>
  /// Keys that would change a score, with what they mean there.
  let refused: [String: Refused]

  /// A key that is accepted where it is off.
  struct Refused {
    /// As the end of "found …, ".
    let meaning: String
    /// Texts that say off, beside null, false and what is empty.
    var off: [String] = []
  }

  /// Reports keys that are refused, and marks the others as known.
  func check(_ section: RecipeSection) {
    for key in section.keys {
      if withoutEffect.contains(key) { _ = section.node(key) }
      guard let refused = refused[key], let node = section.node(key) else { continue }
      let isOff = ["", "false", "False", "[]", "{}"].contains(node.string ?? node.found)
      if isOff || ["an empty list", "an empty map"].contains(node.found) || refused.off.contains(node.string ?? "") {
        continue
      }
      section.report(key, "expected no such key, found \(node.found): \(refused.meaning)")
    }
  }

  /// Keys at the top.
  static let task: TaskKeys = {
    let files = "which rows there are; here data: {split, files, fewshot} says it"
    let code = "a function of the harness's own; here templates under 'rows' and 'doc_to_…' say it"
    var refused: [String: Refused] = [:]
    for key in [
      "dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset", "training_split", "validation_split",
      "test_split",
    ] { refused[key] = Refused(meaning: files) }
    for key in ["process_docs", "process_results", "class", "use_prompt"] { refused[key] = Refused(meaning: code) }
    for key in ["doc_to_image", "doc_to_audio"] { refused[key] = Refused(meaning: "what this version cannot read") }
    refused["include"] = Refused(meaning: "the keys of another file, which have to stand here")
    refused["gen_prefix"] = Refused(meaning: "the beginning of the answer; here it stands at the end of doc_to_text")
    refused["repeats"] = Refused(meaning: "answers to each question, of which there is one here", off: ["1"])
    refused["unsafe_code"] = Refused(meaning: "that answers are run as programs")
    refused["aggregate_metric_list"] = Refused(meaning: "how a group is averaged; here by questions, under 'subtasks'")
    refused["group_alias"] = Refused(meaning: "a group of tasks, for which 'subtasks' stands here")
    refused["system_instruction"] = Refused(meaning: "a system message, which is not put before prompts here")
    refused["apply_chat_template"] = Refused(meaning: "words of a chat around prompts, which are not put there here")
    return TaskKeys(
      withoutEffect: ["tag", "group", "task_alias", "should_decontaminate", "doc_to_decontamination_query"],
      refused: refused)
  }()

  /// Keys of `fewshot_config`.
  static let examples: TaskKeys = {
    var refused: [String: Refused] = [:]
    for key in ["samples", "fewshot_indices", "process_docs", "split"] {
      refused[key] = Refused(meaning: "which examples there are; here data.fewshot and fewshot_split say it")
    }
    for key in [
      "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix", "fewshot_delimiter", "target_delimiter",
    ] { refused[key] = Refused(meaning: "how examples are written, which here are written as questions are") }
    return TaskKeys(withoutEffect: [], refused: refused)
  }()

  /// Keys of `generation_kwargs`: answers are greedy here.
  static let generation: TaskKeys = {
    var refused: [String: Refused] = [
      "do_sample": Refused(meaning: "answers by chance, which are greedy here"),
      "temperature": Refused(meaning: "answers by chance, which are greedy here", off: ["0", "0.0", "1", "1.0"]),
      "top_p": Refused(meaning: "answers by chance, which are greedy here", off: ["1", "1.0"]),
      "top_k": Refused(meaning: "answers by chance, which are greedy here", off: ["0", "1", "50"]),
      "num_beams": Refused(meaning: "a search for answers, which are greedy here", off: ["1"]),
      "repetition_penalty": Refused(meaning: "other likelihoods than the model's", off: ["1", "1.0"]),
      "max_length": Refused(meaning: "prompt and answer together; here max_gen_toks counts the answer"),
    ]
    for key in ["max_new_tokens", "max_tokens"] {
      refused[key] = Refused(meaning: "what max_gen_toks says here")
    }
    return TaskKeys(withoutEffect: ["use_cache"], refused: refused)
  }()
}
