/// The words around an instruction.
public enum PromptTemplate: String, Sendable, Equatable, CaseIterable {
  /// Stanford's Alpaca, to the letter: nothing between `### Response:` and the response.
  ///
  /// - Source: `PROMPT_DICT` in `train.py` of tatsu-lab/stanford_alpaca.
  case alpaca
  /// The same with a newline after `### Response:`, as torchtune, axolotl and LLaMA-Factory have it.
  case alpacaNewline = "alpaca_newline"
  /// No words at all: prompts as they stand; instruction and input each end in a newline.
  case plain

  /// The prompt of an instruction and what it speaks of, its `input`, empty for none.
  public func prompt(instruction: String, input: String = "") -> String {
    if self == .plain { return instruction + "\n" + (input.isEmpty ? "" : input + "\n") }
    let opening =
      input.isEmpty
      ? "Below is an instruction that describes a task. "
      : "Below is an instruction that describes a task, paired with an input that provides further context. "
    return opening + "Write a response that appropriately completes the request.\n\n"
      + "### Instruction:\n\(instruction)\n\n" + (input.isEmpty ? "" : "### Input:\n\(input)\n\n") + response
  }

  /// The prompt that a message opens: a free-standing prompt, or a user's first message.
  public func prompt(_ message: String) -> String {
    self == .plain ? message : prompt(instruction: message)
  }

  /// What a user's later message becomes, after the response and its end token.
  public func followUp(_ message: String) -> String {
    self == .plain ? message : "\n\n### Instruction:\n\(message)\n\n" + response
  }

  private var response: String { self == .alpacaNewline ? "### Response:\n" : "### Response:" }
}
