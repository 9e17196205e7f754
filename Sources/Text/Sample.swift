/// A sample as text, with the template applied.
public struct Sample: Sendable, Equatable {
  /// A prompt and the response that is to be learned.
  public struct Turn: Sendable, Equatable {
    /// What the model is given.
    public let prompt: String
    /// What it is to say.
    public let response: String
    /// Whether the prompt is learned where prompts are.
    public let learnsPrompt: Bool
    /// Whether the response is learned; else it is only read.
    public let learnsResponse: Bool

    /// A prompt and its response.
    public init(prompt: String, response: String, learnsPrompt: Bool = true, learnsResponse: Bool = true) {
      self.prompt = prompt
      self.response = response
      self.learnsPrompt = learnsPrompt
      self.learnsResponse = learnsResponse
    }
  }

  /// One turn for an instruction, several for a conversation; plain text is one turn without a prompt.
  public let turns: [Turn]
  /// The file it came from.
  public let file: String
  /// The line on which it begins, counted from 1.
  public let line: Int

  /// The prompt of the first turn.
  public var prompt: String { turns.first?.prompt ?? "" }
  /// The response of the first turn.
  public var response: String { turns.first?.response ?? "" }

  /// A sample; see the properties.
  public init(turns: [Turn], file: String, line: Int) {
    self.turns = turns
    self.file = file
    self.line = line
  }
}
