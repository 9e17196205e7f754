import Foundation
import TestSupport
import Testing

@testable import Text

/// What rows may say beside text: used, or an error, or dropped and counted.
@Suite struct DataRowsTests {
  let folder: TemporaryFolder
  let tokenizer: Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try Fixtures.base.get()
  }

  private func load(
    _ text: String, _ format: DataFormat, name: String = "d.jsonl", map: [String: String] = [:],
    template: PromptTemplate = .plain, loss: LossScope = .response, drop: Bool = false
  ) throws -> Dataset {
    let path = try folder.write(name, text)
    return try Dataset.load(
      [DataSource(paths: [path], format: format, columnMap: map, onUnsupported: drop ? .drop : .error)],
      options: DatasetOptions(template: template, lossOn: loss, maxTokens: 512, endOfSequence: 0), tokenizer: tokenizer)
  }

  /// The documents with learned tokens in ⟦ ⟧, without the end token's name.
  private func shown(_ data: Dataset) -> [String] {
    let renderer = DocumentRenderer(tokenizer: tokenizer, style: .brackets)
    return data.documents.map { renderer.text($0).replacingOccurrences(of: "<|endoftext|>", with: "$") }
  }

  private func message(_ text: String, _ format: DataFormat, name: String = "d.jsonl", map: [String: String] = [:])
    -> String
  {
    do {
      _ = try load(text, format, name: name, map: map)
      return "was read"
    } catch {
      return "\(error)".replacingOccurrences(of: folder.path, with: "DIR")
    }
  }

  // MARK: Weights

  private static let weighted = """
    {"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "bad", "weight": 0}, \
    {"role": "user", "content": "B"}, {"role": "assistant", "content": "good", "weight": 1}]}
    """

  @Test func aMessageOfWeightZeroIsReadAndNotLearned() throws {
    #expect(shown(try load(Self.weighted, .chat)) == ["Abad$B⟦good$⟧"])
    let train = Self.weighted.replacingOccurrences(of: "\"weight\": 0", with: "\"train\": false")
    #expect(shown(try load(train, .chat)) == ["Abad$B⟦good$⟧"])
    #expect(shown(try load(train.replacingOccurrences(of: "train", with: "loss"), .chat)) == ["Abad$B⟦good$⟧"])
    let other = Self.weighted.replacingOccurrences(of: "\"weight\"", with: "\"learn\"")
    #expect(shown(try load(other, .chat, map: ["weight": "learn"])) == ["Abad$B⟦good$⟧"])
    // The first token of a text has nothing before it that it could be learned from.
    #expect(shown(try load(Self.weighted, .chat, loss: .all)) == ["Abad$⟦Bgood$⟧"])
    let sharegpt = """
      {"conversations": [{"from": "system", "value": "S", "weight": null}, {"from": "human", "value": "Q", "weight": 0.0}, \
      {"from": "gpt", "value": "R", "weight": 1.0}]}
      """
    #expect(shown(try load(sharegpt, .sharegpt)) == ["S\n\nQ⟦R$⟧"])
  }

  @Test func whereNothingIsLearnedTheReportSaysSo() {
    let none = Self.weighted.replacingOccurrences(of: "\"weight\": 1", with: "\"weight\": 0")
    let text = message(none, .chat)
    #expect(text.contains("1 dropped: every response has weight 0\ntry weight 1 for what is to be learned"))
    #expect(!text.contains("max_tokens"))
  }

  @Test(arguments: [
    ("0.5", "DIR/d.jsonl:1: messages[1].weight: expected 0 or 1, true or false, found 0.5; try"),
    ("\"no\"", "DIR/d.jsonl:1: messages[1].weight: expected 0 or 1, true or false, found 'no'; try"),
    ("1, \"train\": false", "DIR/d.jsonl:1: messages[1].train: expected what the other key says, found false; try"),
  ]) func weightsThatAreNone(value: String, expected: String) {
    let text = Self.weighted.replacingOccurrences(of: "\"weight\": 0", with: "\"weight\": \(value)")
    #expect(message(text, .chat).hasPrefix(expected))
  }

  @Test func aWeightOfAUserIsLearnedWithPromptsOnly() throws {
    let text = """
      {"messages": [{"role": "user", "content": "One two", "weight": 1}, {"role": "assistant", "content": " three"}]}
      """
    #expect(
      message(text, .chat).hasPrefix(
        "DIR/d.jsonl:1: weight of message 0: expected 0 for 'user', unless data.loss_on is all, found 1; try"))
    #expect(try load(text, .chat, loss: .all).documents[0].lossTokens > 2)
    let zero = text.replacingOccurrences(of: "\"weight\": 1", with: "\"weight\": 0")
    #expect(shown(try load(zero, .chat, loss: .all)) == ["One two⟦ three$⟧"])
  }

  // MARK: Calls, thoughts, parts

  /// Messages that cannot be trained on: what is said, and the reason that is counted.
  static let unsupported: [(json: String, message: String, reason: String)] = [
    (
      #"{"role": "assistant", "content": "", "tool_calls": [{"type": "function"}]}"#,
      "messages[1].tool_calls: expected nothing, found a list of 1, calls of tools, which no template here has words for",
      "tool_calls"
    ),
    (
      #"{"role": "assistant", "content": null, "tool_calls": [{"type": "function"}]}"#,
      "messages[1].tool_calls: expected nothing, found a list of 1, calls of tools", "tool_calls"
    ),
    (
      #"{"role": "assistant", "content": "x", "function_call": {"name": "f"}}"#,
      "messages[1].function_call: expected nothing, found an object, a call of a function", "function_call"
    ),
    (
      #"{"role": "assistant", "content": "4", "reasoning_content": "two and two"}"#,
      "messages[1].reasoning_content: expected nothing, found 'two and two', thoughts before the answer",
      "reasoning_content"
    ),
    (
      #"{"role": "assistant", "content": "4", "thinking": "hm"}"#, "messages[1].thinking: expected nothing, found 'hm'",
      "thinking"
    ),
    (
      #"{"role": "tool", "tool_call_id": "1", "content": "4"}"#,
      "expected a role out of assistant, gpt, human, system, user, found 'tool', what a tool answered", "role 'tool'"
    ),
    (
      #"{"role": "function", "name": "f", "content": "4"}"#, "system, user, found 'function', what a function answered",
      "role 'function'"
    ),
    (
      #"{"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}"#,
      "messages[1].content[0]: expected a part of type text, found 'image_url'", "content of type image_url"
    ),
    (
      #"{"role": "assistant", "content": ["x"]}"#, "messages[1].content[0]: expected {type: text, text: …}, found 'x'",
      "content in parts"
    ),
    (
      #"{"role": "assistant", "content": [{"type": "text", "text": "x", "colour": "red"}]}"#,
      "messages[1].content[0]: expected type and text, found 'colour' as well, 'red'", "colour"
    ),
    (
      #"{"role": "assistant", "content": "x", "wieght": 0}"#,
      "messages[1]: expected role, content, weight and train, found 'wieght' as well, 0, and nothing tells "
        + "what it changes (did you mean 'weight'?)", "wieght"
    ),
  ]

  @Test(arguments: unsupported.indices)
  func whatNoTemplateHasWordsForIsRefusedOrDropped(index: Int) throws {
    let (json, expected, reason) = Self.unsupported[index]
    let good = #"{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "R"}]}"#
    let text = "\(good)\n{\"messages\": [{\"role\": \"user\", \"content\": \"Q\"}, \(json)]}"
    let found = message(text, .chat)
    #expect(found.hasPrefix("DIR/d.jsonl:2: ") && found.contains(expected), "\(found)")
    #expect(found.contains("data.on_unsupported: drop"))
    let data = try load(text, .chat, drop: true)
    #expect(shown(data) == ["Q⟦R$⟧"] && data.report.sources[0].dropped == [.unsupported(reason): 1])
    let words = data.report.description
    #expect(words.contains("; 1 dropped: \(reason) is not supported (first: \(folder.path)/d.jsonl:2: "), "\(words)")
  }

  @Test func partsOfTextArePutTogetherAndNullIsAbsent() throws {
    let text = """
      {"messages": [{"role": "user", "name": null, "tool_calls": null, "content": [{"type": "text", "text": "A"}, \
      {"type": "text", "text": " b", "image": null}]}, {"role": "assistant", "content": "R", "reasoning_content": null, \
      "tool_calls": [], "function_call": null, "weight": null, "refusal": null}], "tools": [], "id": 3, "source": "x"}
      """
    let data = try load(text, .chat)
    #expect(shown(data) == ["A b⟦R$⟧"] && data.report.sources[0].warnings.isEmpty)
  }

  // MARK: Columns

  @Test func aSystemColumnStandsBeforeTheFirstMessage() throws {
    let text = """
      [{"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Arr."}], "system": "A pirate."},
       {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Me."}], "system": null},
       {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "You."}], "system": ""}]
      """
    #expect(
      shown(try load(text, .sharegpt, name: "d.json")) == ["A pirate.\n\nWho?⟦Arr.$⟧", "Who?⟦Me.$⟧", "Who?⟦You.$⟧"])
    let mapped = text.replacingOccurrences(of: "\"system\"", with: "\"system_prompt\"")
    #expect(shown(try load(mapped, .sharegpt, map: ["system": "system_prompt"]))[0] == "A pirate.\n\nWho?⟦Arr.$⟧")
    #expect(
      message(mapped, .sharegpt).hasPrefix(
        "DIR/d.jsonl:1: system_prompt: expected nothing, found 'A pirate.', which is what 'system' is for; "
          + "column_map: {system: system_prompt} reads it; try"))
    let both =
      #"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}, "#
      + #"{"role": "assistant", "content": "R"}], "system": "T"}"#
    #expect(message(both, .chat).contains("system: expected what the system message says, found 'T' beside 'S'"))
    #expect(shown(try load(both.replacingOccurrences(of: "\"T\"", with: "\"S\""), .chat)) == ["S\n\nQ⟦R$⟧"])
  }

  @Test func instructionsHaveSystemAndHistory() throws {
    let text = """
      {"instruction": "Add.", "input": "1 2", "output": "3", "system": "Be short.", "history": [["Hi.", "Ho."]], "text": "x"}
      """
    let data = try load(text, .alpaca, template: .alpaca)
    #expect(
      shown(data) == [
        "Be short.\n\nBelow is an instruction that describes a task. Write a response that appropriately completes the "
          + "request.\n\n### Instruction:\nHi.\n\n### Response:⟦Ho.$⟧\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n"
          + "### Response:⟦3$⟧"
      ])
    #expect(data.report.sources[0].warnings.isEmpty)
    #expect(shown(try load(text, .alpaca, template: .plain)) == ["Be short.\n\nHi.\n⟦Ho.$⟧Add.\n1 2\n⟦3$⟧"])
    #expect(
      message(text.replacingOccurrences(of: ", \"Ho.\"", with: ""), .alpaca).hasPrefix(
        "DIR/d.jsonl:1: history[0]: expected a pair of instruction and output, found a list of 1"))
  }

  /// TRL's prompts and completions of messages: what the prompt's assistant says is not learned.
  @Test func promptsMayBeMessages() throws {
    let text = """
      {"prompt": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "C"}], \
      "completion": [{"role": "assistant", "content": "d"}]}
      {"prompt": "One", "completion": " two", "system": "S"}
      """
    #expect(shown(try load(text, .promptCompletion)) == ["Ab$C⟦d$⟧", "S\n\nOne⟦ two$⟧"])
  }

  @Test func columnsThatNothingReadsAreNamedOnceAFile() throws {
    let row = #"{"text": "a b", "id": 1, "score": 2, "grade": "x"}"#
    let data = try load(row + "\n" + row, .text)
    #expect(
      data.report.sources[0].warnings.map { $0.replacingOccurrences(of: folder.path, with: "DIR") } == [
        "DIR/d.jsonl: nothing reads the columns 'score', 'grade'; if one belongs to the sample, column_map gives it its place"
      ])
    #expect(data.report.description.contains("\nwarning: "))
  }

  @Test(arguments: [
    (#"{"prompt": "a", "completion": "b", "weight": 0.5}"#, DataFormat.promptCompletion, "weight: expected nothing"),
    (#"{"instruction": "a", "output": "b", "context": "c"}"#, .alpaca, "column_map: {input: context} reads it"),
    (#"{"prompt": "a", "completion": "b", "history": [["c", "d"]]}"#, .promptCompletion, "turns before this one"),
    (#"{"text": "a", "images": ["x.png"]}"#, .text, "images: expected nothing, found a list of 1"),
    (#"{"messages": [], "tools": [{"type": "function"}]}"#, .chat, "tools: expected nothing, found a list of 1"),
    (#"{"messages": [], "functions": [{"name": "f"}]}"#, .chat, "functions: expected nothing, found a list of 1"),
  ]) func columnsThatChangeTheSampleAreRefused(text: String, format: DataFormat, expected: String) {
    #expect(message(text, format).contains(expected), "\(message(text, format))")
  }

  // MARK: Turns

  @Test(arguments: [
    (#"[{"role": "user", "content": "A"}, {"role": "user", "content": "B"}]"#, "'user' behind 'user'"),
    (#"[{"role": "assistant", "content": "A"}, {"role": "user", "content": "B"}]"#, "'assistant' at the beginning"),
    (
      #"[{"role": "user", "content": "A"}, {"role": "system", "content": "B"}, {"role": "assistant", "content": "C"}]"#,
      "'system' behind 'user'"
    ),
  ]) func conversationsThatDoNotAlternateSaySo(messages: String, found: String) {
    let text = message("{\"messages\": \(messages)}", .chat)
    let expected = "1 dropped: user and assistant do not take turns (first: DIR/d.jsonl:1: \(found))"
    #expect(text.contains(expected), "\(text)")
    #expect(
      text.hasSuffix(
        "\ntry conversations that begin with a user's message, or a system message and it, and go on in turn"))
    let alone = message(#"{"messages": [{"role": "user", "content": "A"}]}"#, .chat)
    #expect(alone.contains("1 dropped: no response to learn"))
  }

  // MARK: Files

  @Test func tablesAreRows() throws {
    let text = "instruction,input,output\r\n\"Say \"\"hi\"\".\",,\"a\r\nb\"\r\n"
    #expect(shown(try load(text, .alpaca, name: "d.csv")) == ["Say \"hi\".\n⟦a\\u{d}\nb$⟧"])
    #expect(shown(try load("prompt\tcompletion\nA\tb\n", .promptCompletion, name: "d.tsv")) == ["A⟦b$⟧"])
    #expect(
      message("a,b\n1\n", .alpaca, name: "d.csv")
        == "DIR/d.csv:2: expected 2 cells as in the first line, found 1; try mending the line")
    #expect(
      message("a,a\n1,2\n", .alpaca, name: "d.csv")
        == "DIR/d.csv:1: expected every column once, found 'a' twice; try mending the line")
    #expect(
      message("a,b\n1,\"2\n", .alpaca, name: "d.csv")
        == "DIR/d.csv:2: expected a quote that closes the cell, found none; try mending the line")
  }

  @Test(arguments: [
    ("{\n  \"prompt\": \"a\",\n  \"completion\": \"b\"\n}\n", 1, "one value over several lines"),
    ("{\n  \"prompt\": \"a\"\n}\n{\n  \"prompt\": \"b\"\n}\n", 1, "values over several lines"),
    ("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\n\"prompt\": \"a\"}", 2, "one value over several lines"),
  ]) func jsonOverSeveralLinesIsNamed(text: String, line: Int, found: String) {
    #expect(
      message(text, .promptCompletion)
        == "DIR/d.jsonl:\(line): expected a JSON list, or a value on every line, found \(found); try `jq -c . DIR/d.jsonl`"
    )
  }

  @Test(arguments: [
    ([0x1F, 0x8B, 0x08, 0x00], "a file packed with gzip; try `gunzip -k DIR/f`"),
    ([0x28, 0xB5, 0x2F, 0xFD, 0x04], "a file packed with zstd; try `zstd -d DIR/f`"),
    (Array("PAR1xx".utf8), "a Parquet file; try JSON lines: python -c \"import pandas; pandas.read_parquet('DIR/f')"),
    ([0x50, 0x4B, 0x03, 0x04], "a ZIP archive (or a spreadsheet); try `unzip DIR/f`"),
    (
      Array("version https://git-lfs.github.com/spec/v1\noid".utf8),
      "a Git LFS pointer in place of the file; try `git lfs"
    ),
  ]) func filesThatAreNoTextAreNamed(bytes: [UInt8], expected: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: folder.path + "/f"))
    for format in DataFormat.allCases {
      do {
        _ = try SampleReader(
          source: .init(paths: [folder.path + "/f"], format: format), template: .plain, lossOn: .response
        ).read()
        Issue.record("was read")
      } catch {
        let text = "\(error)".replacingOccurrences(of: folder.path, with: "DIR")
        #expect(text.hasPrefix("DIR/f: expected text (JSON, CSV or plain) in UTF-8, found \(expected)"), "\(text)")
      }
    }
  }

  @Test func pythonsNumbersAreNamed() {
    #expect(message(#"{"text": "a", "score": NaN}"#, .text).contains("found NaN, which JSON does not have"))
    #expect(message(#"{"text": "a", "score": -Infinity}"#, .text).contains("found -Infinity, which JSON does not have"))
  }
}
