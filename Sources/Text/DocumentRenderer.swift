/// Shows documents as text with their loss mask.
public struct DocumentRenderer: Sendable {
  /// How learned tokens are told from the rest.
  public enum Style: String, Sendable, CaseIterable {
    /// Learned tokens in bold green, the rest dim: for terminals.
    case ansi
    /// Learned tokens in ⟦ ⟧: for files and pipes.
    case brackets
  }

  private let tokenizer: Tokenizer
  private let style: Style

  /// A renderer.
  public init(tokenizer: Tokenizer, style: Style) {
    self.tokenizer = tokenizer
    self.style = style
  }

  /// Where it came from and its counts, a line each document, then its text.
  public func render(_ document: TokenizedDocument) -> String {
    heading(document) + "\n" + text(document)
  }

  /// Identity and counts.
  public func heading(_ document: TokenizedDocument) -> String {
    let heading =
      "sample \(document.id) (\(document.source)): \(document.tokens.count) tokens, \(document.lossTokens) with loss"
    return style == .ansi ? "\u{1B}[1m\(heading)\u{1B}[0m" : heading
  }

  /// The decoded text, special tokens included. Control characters are spelled out: data must not steer the terminal.
  public func text(_ document: TokenizedDocument) -> String {
    var result = ""
    var start = 0
    while start < document.tokens.count {
      let hasLoss = isLearned(document, start)
      var end = start + 1
      while end < document.tokens.count, isLearned(document, end) == hasLoss { end += 1 }
      let text = Printable.text(String(decoding: document.tokens[start..<end].flatMap(tokenizer.bytes), as: UTF8.self))
      switch style {
      case .ansi: result += (hasLoss ? "\u{1B}[1;32m" : "\u{1B}[2m") + text + "\u{1B}[0m"
      case .brackets: result += hasLoss ? "⟦\(text)⟧" : text
      }
      start = end
    }
    return result
  }

  /// A token is learned if the position before it has it for its target.
  private func isLearned(_ document: TokenizedDocument, _ index: Int) -> Bool {
    index > 0 && document.targets[index - 1] != TokenizedDocument.ignored
  }
}
