import Foundation
import TestSupport
import Testing

@testable import Text

@Suite struct DatasetTests {
  let folder: TemporaryFolder
  let tokenizer: Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try Fixtures.base.get()
  }

  private func load(
    _ sources: [DataSource], template: PromptTemplate = .plain, loss: LossScope = .response, maxTokens: Int = 512
  ) throws(DataError) -> Dataset {
    try Dataset.load(
      sources,
      options: DatasetOptions(template: template, lossOn: loss, maxTokens: maxTokens, endOfSequence: 0),
      tokenizer: tokenizer)
  }

  private func load(
    _ text: String, _ format: DataFormat, name: String = "d.jsonl", map: [String: String] = [:],
    template: PromptTemplate = .plain, loss: LossScope = .response, maxTokens: Int = 512
  ) throws -> Dataset {
    let path = try folder.write(name, text)
    return try load(
      [DataSource(paths: [path], format: format, columnMap: map)], template: template, loss: loss, maxTokens: maxTokens)
  }

  /// The document with learned tokens in ⟦ ⟧.
  private func shown(_ document: TokenizedDocument) -> String {
    DocumentRenderer(tokenizer: tokenizer, style: .brackets).text(document)
  }

  @Test func alpacaToTheLetter() throws {
    let data = try load(
      """
      [{"instruction": "Add.", "input": "1 2", "output": "3"},
       {"instruction": "Say hi.", "input": "", "output": "hi"}, {"instruction": "Say ho.", "output": "ho"}]
      """, .alpaca, name: "d.json", template: .alpaca)
    #expect(
      data.documents.map(shown) == [
        "Below is an instruction that describes a task, paired with an input that provides further context. "
          + "Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n"
          + "### Response:⟦3<|endoftext|>⟧",
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
          + "\n\n### Instruction:\nSay hi.\n\n### Response:⟦hi<|endoftext|>⟧",
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
          + "\n\n### Instruction:\nSay ho.\n\n### Response:⟦ho<|endoftext|>⟧",
      ])
    #expect(data.documents.map { $0.source.hasSuffix("d.json:1") } == [true, false, false])
    #expect(data.documents[2].source.hasSuffix("d.json:2"))
    let newline = try load(
      #"{"instruction": "Say hi.", "output": "hi"}"#, .alpaca, template: .alpacaNewline)
    #expect(shown(newline.documents[0]).hasSuffix("### Response:\n⟦hi<|endoftext|>⟧"))
  }

  @Test func targetsAreShifted() throws {
    let document = try load(#"{"prompt": "One two", "completion": " three"}"#, .promptCompletion).documents[0]
    let prompt = tokenizer.encode("One two")
    let whole = tokenizer.encode("One two three") + [0]
    #expect(document.tokens == whole)
    for index in whole.indices {
      let isLearned = index + 1 >= prompt.count && index + 1 < whole.count
      #expect(document.targets[index] == (isLearned ? whole[index + 1] : -100))
    }
    #expect(document.lossTokens == whole.count - prompt.count)
    let all = try load(#"{"prompt": "One two", "completion": " three"}"#, .promptCompletion, loss: .all).documents[0]
    #expect(all.targets == Array(whole.dropFirst()) + [-100])
  }

  @Test func aMergeAcrossTheBorderKeepsTheOriginalsAnswer() throws {
    // "th" + "e": the prompt alone is one token, the whole as well; the whole counts.
    let document = try load(#"{"prompt": " th", "completion": "e"}"#, .promptCompletion).documents[0]
    #expect(document.tokens == tokenizer.encode(" the") + [0])
    #expect(document.lossTokens == 1)
  }

  @Test func columnMap() throws {
    let data = try load(
      #"{"question": "1+1?", "answer": " 2"}"#, .promptCompletion, map: ["prompt": "question", "completion": "answer"])
    #expect(shown(data.documents[0]) == "1+1?⟦ 2<|endoftext|>⟧")
  }

  @Test func conversations() throws {
    let chat = try load(
      """
      {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "A?"},
      """.replacingOccurrences(of: "\n", with: "")
        + #"{"role": "assistant", "content": "B."}, {"role": "user", "content": "C?"}, {"role": "assistant", "content": "D."}]}"#
        + "\n" + #"{"messages": [{"role": "user", "content": "A?"}, {"role": "user", "content": "B?"}]}"#, .chat,
      template: .alpaca)
    #expect(
      chat.documents.map(shown) == [
        "Be kind.\n\nBelow is an instruction that describes a task. Write a response that appropriately completes the "
          + "request.\n\n### Instruction:\nA?\n\n### Response:⟦B.<|endoftext|>⟧\n\n### Instruction:\nC?\n\n"
          + "### Response:⟦D.<|endoftext|>⟧"
      ])
    #expect(chat.report.sources[0].dropped == [.notAlternating: 1])
    let sharegpt = try load(
      #"{"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": " R"}, {"from": "human", "value": "S"}]}"#,
      .sharegpt)
    #expect(shown(sharegpt.documents[0]) == "Q⟦ R<|endoftext|>⟧")
  }

  @Test func truncatedAndDroppedAreCounted() throws {
    let long = String(repeating: "word ", count: 50)
    let data = try load(
      """
      {"prompt": "short", "completion": " answer"}
      {"prompt": "short", "completion": "\(long)"}

      {"prompt": "\(long)", "completion": "never reached"}
      """, .promptCompletion, maxTokens: 20)
    #expect(data.documents.map(\.id) == [0, 1])
    #expect(data.documents[1].tokens.count == 20 && data.documents[1].targets.last == -100)
    #expect(!data.documents[1].tokens.contains(0))
    #expect(data.documents[1].source.hasSuffix("d.jsonl:2"))
    let report = data.report.sources[0]
    #expect(report.samples == 3 && report.documents == 2 && report.truncated == 1)
    #expect(report.dropped == [.noLossTokens: 1])
    #expect(data.report.lossTokens == data.documents.reduce(0) { $0 + $1.lossTokens })
    let words = data.report.description
    #expect(words.contains("3 samples, 2 documents, \(data.report.tokens) tokens, \(data.report.lossTokens) with loss"))
    #expect(words.hasSuffix("; 1 truncated to 20 tokens; 1 dropped: no token to learn within max_tokens"))
  }

  @Test func textIsCutAtBlankLines() throws {
    let long = (1...40).map { "word\($0)" }.joined(separator: " ")
    let text = "\u{FEFF}\n\nOne line\ngoes on.\n\nTwo.\r\n\r\n\r\nThree.\n\n\(long)\n \nEnd.\n"
    let limit = tokenizer.encode("One line\ngoes on.\n\nTwo.").count
    let data = try load(text, .text, name: "d.txt", maxTokens: limit)
    let pieces = data.documents.map { tokenizer.decode($0.tokens) }
    #expect(pieces[0] == "One line\ngoes on.\n\nTwo.")
    #expect(pieces[1] == "Three.")
    #expect(pieces.last?.hasSuffix("End.<|endoftext|>") == true)
    #expect(data.documents.map { $0.source.split(separator: ":").last }.prefix(3) == ["3", "9", "11"])
    #expect(data.documents.dropFirst(2).dropLast(2).allSatisfy { $0.tokens.count == limit })
    #expect(pieces.dropFirst(2).joined() == long + "End.<|endoftext|>")
    for document in data.documents {
      #expect(document.targets == Array(document.tokens.dropFirst()) + [-100])
    }
    let whole = try load(text, .text, name: "d.txt", maxTokens: 4096)
    // Line ends of a plain file are one, as Python's open() reads them.
    let plain = text.replacing("\r\n", with: "\n").unicodeScalars
    let trimmed = plain.drop { $0.properties.isWhitespace || $0 == "\u{FEFF}" }.dropLast()
    #expect(whole.documents.map(\.tokens) == [tokenizer.encode(String(String.UnicodeScalarView(trimmed))) + [0]])
    let lines = try load("{\"text\": \"a b\"}\n{\"text\": \"c d\"}\n", .text)
    #expect(lines.documents.map { tokenizer.decode($0.tokens) } == ["a b<|endoftext|>", "c d<|endoftext|>"])
  }

  @Test func globsAreOrdered() throws {
    for name in ["b.jsonl", "a.jsonl", "c.txt"] { try folder.write(name, #"{"text": "\#(name)"}"#) }
    let data = try load([DataSource(paths: [folder.path + "/*.jsonl"], format: .text)])
    #expect(data.documents.map { tokenizer.decode($0.tokens, skipSpecial: true) } == ["a.jsonl", "b.jsonl"])
  }

  @Test func splitIsDisjointAndStable() throws {
    let data = try load((0..<100).map { #"{"text": "sample \#($0)"}"# }.joined(separator: "\n"), .text)
    let (rest, share) = try data.split(share: 0.05, seed: 1)
    #expect(share.count == 5 && rest.count == 95)
    #expect(Set(rest.map(\.id) + share.map(\.id)) == Set(0..<100))
    // Written down: another order on another machine would mix training and validation of old runs.
    #expect(share.map(\.id) == [21, 44, 50, 57, 63])
    #expect(try data.split(share: 0.05, seed: 2).share.map(\.id) != share.map(\.id))
    #expect(throws: DataError.split(share: 1, documents: 100)) { try data.split(share: 1, seed: 1) }
  }
}
