import Foundation
import TestSupport
import Testing

@testable import Text

/// Where the token that begins a text stands in documents, and that markers of chats are tokens.
@Suite struct DatasetBeginningTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func load(
    _ text: String, _ format: DataFormat, _ tokenizer: Tokenizer, _ template: PromptTemplate, name: String = "d.jsonl",
    maxTokens: Int = 512
  ) throws -> [TokenizedDocument] {
    let path = try folder.write(name, text)
    let options = DatasetOptions(template: template, lossOn: .response, maxTokens: maxTokens, endOfSequence: 2)
    return try Dataset.load([DataSource(paths: [path], format: format)], options: options, tokenizer: tokenizer)
      .documents
  }

  static let chat = """
    {"messages": [{"role": "user", "content": "the man"}, {"role": "assistant", "content": "he said"}, \
    {"role": "user", "content": "and"}, {"role": "assistant", "content": "now"}]}
    """

  @Test(arguments: ["llama2", "mistral"])
  func instructionsBeginOnce(name: String) throws {
    let tokenizer = try FamilyTokenizerTests.tokenizer(name)
    let document = try load(#"{"instruction": "the man", "output": "he said"}"#, .alpaca, tokenizer, .alpaca)[0]
    let prompt = PromptTemplate.alpaca.prompt(instruction: "the man")
    // As in transformers: source and whole are encoded each with what the tokenizer puts before a text.
    let source = tokenizer.encode(prompt, addSpecialTokens: true)
    #expect(document.tokens == tokenizer.encode(prompt + "he said", addSpecialTokens: true) + [2])
    #expect(document.tokens.count { $0 == 1 } == 1 && document.tokens.first == 1)
    #expect(document.lossTokens == document.tokens.count - source.count)
  }

  @Test(arguments: ["llama2", "mistral"])
  func chatsAreWhatTheirTextGives(name: String) throws {
    let tokenizer = try FamilyTokenizerTests.tokenizer(name)
    func tokens(_ template: PromptTemplate) throws -> [Int32] {
      try load(Self.chat, .chat, tokenizer, template)[0].tokens
    }
    #expect(
      try tokens(.llama2)
        == tokenizer.encode("<s>[INST] the man [/INST] he said </s><s>[INST] and [/INST] now </s>"))
    #expect(
      try tokens(.mistral) == tokenizer.encode("<s> [INST] the man [/INST] he said</s> [INST] and [/INST] now</s>"))
    #expect(
      try tokens(.deepseek)
        == tokenizer.encode("<s>User: the man\n\nAssistant: he said</s>User: and\n\nAssistant: now</s>"))
    #expect(
      try tokens(.olmoe)
        == tokenizer.encode("<s><|user|>\nthe man\n<|assistant|>\nhe said</s>\n<|user|>\nand\n<|assistant|>\nnow</s>"))
  }

  /// What a model reads in a chat is what it read in training: the tokens without loss, turn by turn.
  @Test(
    arguments: [
      ("llama2", .llama2), ("llama2", .alpaca), ("mistral", .mistral), ("llama2", .deepseek), ("llama2", .olmoe),
      ("qwen", .qwen), ("qwen", .chatml), ("qwen", .alpacaNewline),
    ] as [(String, PromptTemplate)])
  func chatPromptsAreThoseOfTraining(name: String, template: PromptTemplate) throws {
    let tokenizer = try FamilyTokenizerTests.tokenizer(name)
    let document = try load(Self.chat, .chat, tokenizer, template)[0]
    var runs: [[Int32]] = [[]]
    for index in document.tokens.indices {
      if index > 0, document.targets[index - 1] != TokenizedDocument.ignored {
        if runs.last != [] { runs.append([]) }
      } else {
        runs[runs.count - 1].append(document.tokens[index])
      }
    }
    var chat = try ChatPrompt(template, tokenizer: tokenizer, endOfSequence: 2)
    #expect([chat.next("the man"), chat.next("and")] == Array(runs.prefix(2)))
    #expect(document.tokens.last == chat.end)
  }

  @Test func markersOfChatsAreTokens() throws {
    let tokenizer = try FamilyTokenizerTests.tokenizer("qwen")
    let document = try load(Self.chat, .chat, tokenizer, .qwen)[0]
    #expect(
      document.tokens
        == tokenizer.encode(
          """
          <|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nthe man<|im_end|>
          <|im_start|>assistant\nhe said<|im_end|>\n<|im_start|>user\nand<|im_end|>\n<|im_start|>assistant
          now<|im_end|>
          """))
    let (start, end) = (Int32(1), Int32(2))  // <|im_start|>, <|im_end|>
    #expect(document.tokens.count { $0 == start } == 5 && document.tokens.count { $0 == end } == 5)
    #expect(document.tokens.last == end && document.targets.count { $0 == end } == 2)
    let error = #expect(throws: DataError.self) {
      try load(Self.chat, .chat, FamilyTokenizerTests.tokenizer("llama2"), .chatml)
    }
    #expect(
      error?.description
        == "data.template: expected a tokenizer with the token '<|im_start|>' for 'chatml', found none; "
        + "try a template that the model was trained with, or alpaca")
  }

  /// Paragraphs that end in punctuation, which Qwen's pattern joins with the line breaks behind it.
  @Test(arguments: ["qwen", "llama2", "mistral", "deepseek", "llama3"])
  func piecesOfText(name: String) throws {
    let tokenizer = try FamilyTokenizerTests.tokenizer(name)
    let paragraphs = (0..<30).map {
      "The man said \($0), (and so on).\n\nNow he\n  went" + ($0 % 7 == 0 ? " on." : "!")
    }
    let text = paragraphs.joined(separator: "\n\n")
    let whole = try load(text, .text, tokenizer, .plain, name: "d.txt", maxTokens: 100_000)
    #expect(whole.map(\.tokens) == [tokenizer.prefix + tokenizer.encode(text) + [2]])
    let pieces = try load(text, .text, tokenizer, .plain, name: "d.txt", maxTokens: 64)
    #expect(pieces.count > 8 && pieces.allSatisfy { $0.tokens.count <= 64 })
    #expect(pieces[0].tokens.starts(with: tokenizer.prefix))
    for (index, piece) in pieces.enumerated() {
      let prefix = index == 0 ? tokenizer.prefix : []
      #expect(piece.tokens.count { tokenizer.prefix.contains($0) } == prefix.count)
      let isLast = index + 1 == pieces.count
      let bytes = piece.tokens.dropFirst(prefix.count).dropLast(isLast && piece.tokens.last == 2 ? 1 : 0)
        .flatMap(tokenizer.bytes)
      let shown = String(decoding: bytes, as: UTF8.self).drop { $0 == " " }
      #expect(text.contains(shown))
      // As much as fits: the next paragraph would not.
      if !isLast { #expect(piece.tokens.count > 40) }
    }
  }
}
