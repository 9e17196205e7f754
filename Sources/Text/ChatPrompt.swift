/// The turns of a chat as tokens, the way ``Dataset`` tokenises them for training.
///
///     var chat = try ChatPrompt(.chatml, tokenizer: tokenizer, endOfSequence: end)
///     chat.next("Hello")       // what the model reads before its first response
public struct ChatPrompt: Sendable {
  /// The token that ends a response.
  public let end: Int32
  private let template: PromptTemplate
  private let tokenizer: Tokenizer
  private var turns = 0

  /// A chat before its first message.
  ///
  /// - Parameters:
  ///   - template: The words around messages.
  ///   - tokenizer: Of the model.
  ///   - endOfSequence: The model's end token, where the template has none of its own.
  /// - Throws: ``DataError/templateToken(template:token:)`` where the tokenizer lacks a token of the template.
  public init(_ template: PromptTemplate, tokenizer: Tokenizer, endOfSequence: Int32) throws(DataError) {
    try template.check(tokenizer)
    (self.template, self.tokenizer) = (template, tokenizer)
    end = template.end(tokenizer, endOfSequence: endOfSequence)
  }

  /// Tokens of the user's next message, up to where the model's response begins.
  ///
  /// - Parameters:
  ///   - message: What the user says.
  ///   - system: A system message; of a first message alone.
  /// - Returns: Tokens that follow the end token of the response before.
  public mutating func next(_ message: String, system: String? = nil) -> [Int32] {
    let (opening, continues) = template.opening(ofTurn: turns, tokenizer)
    let text = turns == 0 ? template.prompt(message, system: system) : template.followUp(message)
    turns += 1
    return opening + tokenizer.encode(text, continues: continues)
  }
}

extension PromptTemplate {
  /// Whether a tokenizer has all tokens that the template writes as text.
  func check(_ tokenizer: Tokenizer) throws(DataError) {
    for marker in markers where tokenizer.addedToken(marker) == nil {
      throw .templateToken(template: self, token: marker)
    }
  }

  /// The token that ends a response.
  func end(_ tokenizer: Tokenizer, endOfSequence: Int32) -> Int32 {
    end.flatMap(tokenizer.addedToken) ?? endOfSequence
  }

  /// Tokens before the words of a turn, counted from 0, and whether its words continue a text.
  func opening(ofTurn number: Int, _ tokenizer: Tokenizer) -> (tokens: [Int32], continues: Bool) {
    let begin = tokenizer.beginning.map { [$0] } ?? []
    let tokens: [Int32] =
      switch beginning {
      case .tokenizer: number == 0 ? tokenizer.prefix : []
      case .text: number == 0 ? begin : []
      case .turn: begin
      }
    // What the template writes behind a token is not the beginning of the text.
    return (tokens, number > 0 || (beginning != .tokenizer && !tokens.isEmpty))
  }
}
