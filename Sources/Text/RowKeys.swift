internal import Formats

/// What is known of the keys of a row, or of a message in it, beside those that are read.
///
/// A key that changes what a sample means is an error, or drops the sample; of a row's other columns those that are
/// known to say where it is from are passed over, and the rest is named once a file. In a message anything that is not
/// known is an error: a message has no columns of its own.
struct RowKeys {
  /// Keys that change nothing here, whatever they hold.
  let withoutEffect: Set<String>
  /// Keys that would change what is learned.
  let refused: [String: Refused]

  /// A key that is accepted where it is off.
  struct Refused {
    /// What it means, as the end of "found …, ".
    let meaning: String
    /// What says off, beside `null`, `false` and what is empty.
    var off: [JSONValue] = []
    /// A column of the format that it may be given to by `column_map`.
    var column: String?
  }

  /// A value that stands for an absent key.
  static func isAbsent(_ value: JSONValue) -> Bool {
    [.null, .bool(false), .string(""), .array([]), .object([])].contains(value)
  }

  /// What a value of a refused key would mean; `nil` where it is off or nothing is known of the key.
  func refusal(_ key: String, _ value: JSONValue) -> Refused? {
    guard let known = refused[key], value != .null, !known.off.contains(value) else { return nil }
    // Where true is off, as for `train`, false is what it would mean.
    return Self.isAbsent(value) && !known.off.contains(.bool(true)) ? nil : known
  }
}

extension RowKeys {
  /// Columns of rows in a format; those that it reads are to be left out by the caller.
  static func row(_ format: DataFormat) -> RowKeys {
    var refused = share.merging(media) { first, _ in first }
    var passed = origin
    if format == .text { return RowKeys(withoutEffect: passed, refused: refused) }
    refused.merge(calls) { first, _ in first }
    refused["reasoning_content"] = reasoning
    for key in ["system_prompt", "system_message"] {
      refused[key] = Refused(meaning: "which is what 'system' is for", column: "system")
    }
    refused["system"] = Refused(meaning: "the words before the first message")
    refused["history"] = Refused(meaning: "turns before this one")
    refused["documents"] = Refused(meaning: "texts that a template puts before the messages")
    refused["chat_template"] = Refused(meaning: "words around messages that are the row's own")
    refused["chat_template_kwargs"] = Refused(meaning: "settings of a template that is not used here")
    refused["skip_prompt_formatting"] = Refused(meaning: "a prompt without the words of a template")
    switch format {
    case .alpaca:
      refused["context"] = Refused(meaning: "what an instruction speaks of", column: "input")
      passed.formUnion(["text", "is_classification"])  // Alpaca's own file has the whole sample once more in `text`.
    case .chat, .sharegpt: passed.formUnion(["prompt", "views", "avatarUrl", "custom_instruction"])
    case .promptCompletion, .text: break
    }
    return RowKeys(withoutEffect: passed, refused: refused)
  }

  /// Keys of a message.
  static let message: RowKeys = {
    var refused = calls.merging(media) { first, _ in first }
    for key in ["reasoning_content", "reasoning", "thinking"] { refused[key] = reasoning }
    refused["tool_call_id"] = Refused(meaning: "the call of a tool that this answers")
    refused["name"] = Refused(meaning: "who of several speaks")
    refused["refusal"] = Refused(meaning: "an answer in place of the content")
    refused["annotations"] = Refused(meaning: "places in other texts")
    refused["prefix"] = Refused(meaning: "the beginning of an answer that goes on elsewhere")
    refused["train_detail"] = Refused(meaning: "which letters of the message are learned")
    refused["loss_scale"] = Refused(meaning: "how much the message counts", off: [.integer(1), .number(1)])
    return RowKeys(
      withoutEffect: origin.union([
        "turn", "turn_id", "turn_identifier", "turn_idx", "toxic", "redacted", "country", "state", "hashed_ip",
        "header", "openai_id", "temperature", "top_p", "token_counter", "token_count", "usage", "finish_reason",
        "cache_control",
        "markdown", "text", "create_time", "message_id", "parent_id",
      ]), refused: refused)
  }()

  /// Parts of a message's content.
  static let part = RowKeys(withoutEffect: ["cache_control", "index", "id"], refused: [:])

  private static let reasoning = Refused(meaning: "thoughts before the answer, which no template here has words for")

  private static let calls: [String: Refused] = [
    "tools": Refused(meaning: "tools that may be called, which no template here has words for"),
    "functions": Refused(meaning: "functions that may be called, which no template here has words for"),
    "tool_calls": Refused(meaning: "calls of tools, which no template here has words for"),
    "function_call": Refused(
      meaning: "a call of a function, which no template here has words for", off: [.string("auto"), .string("none")]),
  ]

  private static let share: [String: Refused] = {
    let weight = Refused(meaning: "how much the sample counts; a source has a weight", off: [.integer(1), .number(1)])
    var keys: [String: Refused] = [:]
    for key in ["weight", "loss_weight", "sample_weight"] { keys[key] = weight }
    keys["train"] = Refused(meaning: "whether the sample is learned", off: [.bool(true), .integer(1)])
    keys["loss_mask"] = Refused(meaning: "which tokens are learned")
    return keys
  }()

  private static let media = Dictionary(
    uniqueKeysWithValues: ["image", "images", "video", "videos", "audio", "audios"].map {
      ($0, Refused(meaning: "what this version cannot read"))
    })

  /// Where a row or a message is from, and what it is about.
  private static let origin: Set<String> = [
    "", "id", "_id", "idx", "index", "uuid", "uid", "hash", "source", "source_id", "dataset", "dataset_name", "origin",
    "subset", "split", "category", "categories", "topic", "topics", "task", "task_type", "task_id", "lang", "language",
    "url", "title", "license", "model", "model_name", "generator", "date", "created", "created_at", "timestamp", "meta",
    "metadata", "conversation_id", "prompt_id", "sample_id", "doc_id", "version", "tags", "difficulty", "quality",
    "tool_choice", "parallel_tool_calls",
  ]
}
