import Testing

@testable import Text

@Suite struct DocumentRendererTests {
  private func document(_ tokenizer: Tokenizer) -> TokenizedDocument {
    let prompt = tokenizer.encode("Hi \u{1B}[31m")
    let response = tokenizer.encode("you\n") + [0]
    return TokenizedDocument(
      tokens: prompt + response,
      hasLoss: Array(repeating: false, count: prompt.count) + Array(repeating: true, count: response.count), id: 4,
      source: "f.jsonl:7")
  }

  @Test func brackets() throws {
    let tokenizer = try Fixtures.base.get()
    let document = document(tokenizer)
    #expect(
      DocumentRenderer(tokenizer: tokenizer, style: .brackets).render(document)
        == "sample 4 (f.jsonl:7): \(document.tokens.count) tokens, \(document.lossTokens) with loss\n"
        + "Hi \\u{1b}[31m⟦you\n<|endoftext|>⟧")
  }

  @Test func colours() throws {
    let tokenizer = try Fixtures.base.get()
    #expect(
      DocumentRenderer(tokenizer: tokenizer, style: .ansi).text(document(tokenizer))
        == "\u{1B}[2mHi \\u{1b}[31m\u{1B}[0m\u{1B}[1;32myou\n<|endoftext|>\u{1B}[0m")
  }
}
