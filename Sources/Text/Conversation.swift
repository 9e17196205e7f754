/// Conversations as turns of prompt and response.
enum Conversation {
  enum Role: String, Sendable { case system, user, assistant }

  struct Message {
    let role: Role
    let text: String
    /// What `weight` or `train` says: whether it is learned; `nil` where it says nothing.
    var isLearned: Bool?
  }

  /// Why messages make no turns.
  enum Problem: Error, Equatable {
    /// Nobody responds.
    case noResponse
    /// Who follows whom, in words.
    case notAlternating(String)
    /// A weight that cannot be given: where, expected, found.
    case weight(message: Int, expected: String, found: String)
  }

  /// Names of roles in ShareGPT and in chat files.
  static let roles: [String: Role] = [
    "system": .system, "human": .user, "user": .user, "gpt": .assistant, "assistant": .assistant,
  ]

  /// Names that others have for roles that no template here has words for, and what they mean.
  static let otherRoles: [String: String] = [
    "tool": "what a tool answered", "function": "what a function answered", "observation": "what a tool answered",
    "ipython": "what a tool answered", "tool_response": "what a tool answered",
    "function_response": "what a function answered", "tool_call": "the call of a tool",
    "function_call": "the call of a function", "developer": "another system message",
  ]

  /// The turns of a conversation: an optional system message, then user and assistant in turn.
  ///
  /// The system message stands in the first prompt, as the template has it. A user's last message without a
  /// response is left out: there is nothing to learn from it. A message that says so is read and not learned.
  static func turns(
    _ messages: [Message], template: PromptTemplate, lossOn: LossScope
  ) throws(Problem) -> [Sample.Turn] {
    var rest = Array(messages.enumerated())[...]
    var system: (offset: Int, element: Message)?
    if let first = rest.first, first.element.role == .system {
      system = first
      rest = rest.dropFirst()
    }
    if rest.last?.element.role == .user, rest.dropLast().last?.element.role != .user { rest = rest.dropLast() }
    guard !rest.isEmpty else { throw .noResponse }
    var expected = Role.user
    for (number, message) in rest {
      guard message.role == expected else {
        let before = number == 0 ? "at the beginning" : "behind '\(messages[number - 1].role.rawValue)'"
        throw .notAlternating("'\(message.role.rawValue)' \(before)")
      }
      expected = expected == .user ? .assistant : .user
    }
    var turns: [Sample.Turn] = []
    while let user = rest.popFirst(), let assistant = rest.popFirst() {
      let prompt =
        turns.isEmpty
        ? template.prompt(user.element.text, system: system?.element.text) : template.followUp(user.element.text)
      let parts = (turns.isEmpty ? [system, user] : [user]).compactMap(\.self)
      turns.append(
        .init(
          prompt: prompt, response: template.response(assistant.element.text),
          learnsPrompt: try isLearned(parts, lossOn), learnsResponse: assistant.element.isLearned ?? true))
    }
    return turns
  }

  /// Whether the messages of a prompt are learned where prompts are.
  private static func isLearned(
    _ parts: [(offset: Int, element: Message)], _ lossOn: LossScope
  ) throws(Problem) -> Bool {
    if lossOn == .response {
      if let part = parts.first(where: { $0.element.isLearned == true }) {
        let role = part.element.role.rawValue
        throw .weight(message: part.offset, expected: "0 for '\(role)', unless data.loss_on is all", found: "1")
      }
      return true
    }
    let said = Set(parts.map { $0.element.isLearned ?? true })
    guard said.count < 2 else {
      throw .weight(message: parts[1].offset, expected: "the weight of the system message before it", found: "another")
    }
    return said.first ?? true
  }
}
