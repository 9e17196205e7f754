/// Conversations as turns of prompt and response.
enum Conversation {
  enum Role: Sendable { case system, user, assistant }

  struct Message {
    let role: Role
    let text: String
  }

  /// Names of roles in ShareGPT and in chat files.
  static let roles: [String: Role] = [
    "system": .system, "human": .user, "user": .user, "gpt": .assistant, "assistant": .assistant,
  ]

  /// The turns of a conversation: an optional system message, then user and assistant in turn.
  ///
  /// The system message stands in the first prompt, as the template has it. A user's last message without a
  /// response is left out: there is nothing to learn from it.
  /// - Returns: `nil` if the roles do not alternate or nobody responds.
  static func turns(_ messages: [Message], template: PromptTemplate) -> [Sample.Turn]? {
    var rest = messages[...]
    var system: String?
    if let first = rest.first, first.role == .system {
      system = first.text
      rest = rest.dropFirst()
    }
    if rest.last?.role == .user { rest = rest.dropLast() }
    guard !rest.isEmpty, rest.count.isMultiple(of: 2) else { return nil }
    var turns: [Sample.Turn] = []
    while let user = rest.popFirst(), let assistant = rest.popFirst() {
      guard user.role == .user, assistant.role == .assistant else { return nil }
      let prompt = turns.isEmpty ? template.prompt(user.text, system: system) : template.followUp(user.text)
      turns.append(.init(prompt: prompt, response: template.response(assistant.text)))
    }
    return turns
  }
}
