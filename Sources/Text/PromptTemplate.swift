/// The words around an instruction, or around the turns of a chat.
public enum PromptTemplate: String, Sendable, Equatable, CaseIterable {
  /// Stanford's Alpaca, to the letter: nothing between `### Response:` and the response.
  ///
  /// - Source: `PROMPT_DICT` in `train.py` of tatsu-lab/stanford_alpaca.
  case alpaca
  /// The same with a newline after `### Response:`, as torchtune, axolotl and LLaMA-Factory have it.
  case alpacaNewline = "alpaca_newline"
  /// No words at all: prompts as they stand; instruction and input each end in a newline.
  case plain
  /// `<|im_start|>user … <|im_end|>`, without a system message unless there is one.
  case chatml
  /// The same with Qwen's own system message where there is none.
  ///
  /// - Source: `chat_template` of Qwen/Qwen1.5-MoE-A2.7B-Chat.
  case qwen
  /// `[INST] … [/INST]` with the text beginning anew in every turn; messages lose white space at their ends.
  ///
  /// - Source: `chat_template` of meta-llama/Llama-2-7b-chat-hf.
  case llama2
  /// `[INST] … [/INST]`, the text beginning once.
  ///
  /// - Source: `chat_template` of mistralai/Mixtral-8x7B-Instruct-v0.1, as revised in 2024.
  case mistral
  /// `User: …` and `Assistant: …`.
  ///
  /// - Source: `chat_template` of deepseek-ai/deepseek-moe-16b-chat and DeepSeek-V2-Lite-Chat.
  case deepseek
  /// `<|user|>` and `<|assistant|>` on lines of their own.
  ///
  /// - Source: `chat_template` of allenai/OLMoE-1B-7B-0924-Instruct.
  case olmoe

  /// Where the token that begins a text stands.
  enum Beginning: Sendable {
    /// Wherever the tokenizer puts it, for words that do not name it.
    case tokenizer
    /// Before the first turn.
    case text
    /// Before every turn.
    case turn
  }

  /// Where the template has the token that begins a text.
  var beginning: Beginning {
    switch self {
    case .alpaca, .alpacaNewline, .plain, .chatml, .qwen: .tokenizer
    case .llama2: .turn
    case .mistral, .deepseek, .olmoe: .text
    }
  }

  /// The piece that ends a response; `nil` for the model's end token.
  var end: String? { self == .chatml || self == .qwen ? "<|im_end|>" : nil }

  /// Pieces that must be tokens of their own, or the template would mean nothing to the model.
  var markers: [String] { end == nil ? [] : ["<|im_start|>", "<|im_end|>"] }

  /// The prompt of an instruction and what it speaks of, its `input`, empty for none, with a system message before
  /// them.
  ///
  /// A chat has both in the user's message, a line break between.
  public func prompt(instruction: String, input: String = "", system: String? = nil) -> String {
    let before = system.map { $0 + "\n\n" } ?? ""
    switch self {
    case .plain: return before + instruction + "\n" + (input.isEmpty ? "" : input + "\n")
    case .alpaca, .alpacaNewline: break
    default: return prompt(Self.joined(instruction, input), system: system)
    }
    let opening =
      input.isEmpty
      ? "Below is an instruction that describes a task. "
      : "Below is an instruction that describes a task, paired with an input that provides further context. "
    return before + opening + "Write a response that appropriately completes the request.\n\n"
      + sections(instruction, input)
  }

  /// What a later instruction becomes, after the response before it and its end token.
  public func followUp(instruction: String, input: String = "") -> String {
    switch self {
    case .plain: prompt(instruction: instruction, input: input)
    case .alpaca, .alpacaNewline: "\n\n" + sections(instruction, input)
    default: followUp(Self.joined(instruction, input))
    }
  }

  /// The prompt that a message opens: a free-standing prompt, or a user's first message, with the system message that
  /// stands before it.
  public func prompt(_ message: String, system: String? = nil) -> String {
    switch self {
    case .plain: return (system.map { $0 + "\n\n" } ?? "") + message
    case .alpaca, .alpacaNewline: return prompt(instruction: message, system: system)
    case .chatml: return (system.map(Self.chatmlSystem) ?? "") + Self.chatmlUser(message)
    case .qwen: return Self.chatmlSystem(system ?? "You are a helpful assistant.") + Self.chatmlUser(message)
    case .llama2:
      let content = (system.map { "<<SYS>>\n\($0)\n<</SYS>>\n\n" } ?? "") + message
      return "[INST] \(Self.stripped(content)) [/INST]"
    case .mistral: return " [INST] " + (system.map { $0 + "\n\n" } ?? "") + message + " [/INST]"
    case .deepseek: return (system.map { $0 + "\n\n" } ?? "") + "User: \(message)\n\nAssistant:"
    case .olmoe: return (system.map { "<|system|>\n\($0)\n" } ?? "") + Self.olmoeUser(message)
    }
  }

  /// What a user's later message becomes, after the response and its end token.
  public func followUp(_ message: String) -> String {
    switch self {
    case .plain: message
    case .alpaca, .alpacaNewline: followUp(instruction: message)
    case .chatml, .qwen: "\n" + Self.chatmlUser(message)
    case .olmoe: "\n" + Self.olmoeUser(message)
    case .llama2, .mistral, .deepseek: prompt(message)
    }
  }

  /// What a response becomes, before its end token.
  public func response(_ message: String) -> String {
    switch self {
    case .alpaca, .alpacaNewline, .plain, .chatml, .qwen, .olmoe: message
    case .llama2: " \(Self.stripped(message)) "
    case .mistral, .deepseek: " " + message
    }
  }

  /// Alpaca's sections, up to where the response begins.
  private func sections(_ instruction: String, _ input: String) -> String {
    "### Instruction:\n\(instruction)\n\n" + (input.isEmpty ? "" : "### Input:\n\(input)\n\n") + heading
  }

  private static func joined(_ instruction: String, _ input: String) -> String {
    input.isEmpty ? instruction : instruction + "\n" + input
  }

  private var heading: String { self == .alpacaNewline ? "### Response:\n" : "### Response:" }

  private static func chatmlSystem(_ text: String) -> String { "<|im_start|>system\n\(text)<|im_end|>\n" }

  private static func chatmlUser(_ text: String) -> String {
    "<|im_start|>user\n\(text)<|im_end|>\n<|im_start|>assistant\n"
  }

  private static func olmoeUser(_ text: String) -> String { "<|user|>\n\(text)\n<|assistant|>\n" }

  /// A text without white space at its ends, as Python's `strip` takes it.
  private static func stripped(_ text: String) -> String {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
      (0x1C...0x1F).contains(scalar.value) || ScalarSet.spaces.contains(scalar.value)
    }
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }),
      let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }
}
