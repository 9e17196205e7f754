import Foundation
import TestSupport
import Testing

@testable import Text

/// What is wrong with data, and the exact message; `DIR` stands for the folder.
@Suite struct DataErrorTests {
  struct Case: Sendable {
    var name = "d.jsonl"
    let text: String
    var format = DataFormat.promptCompletion
    var map: [String: String] = [:]
    var path: String?
    var weight = 1.0
    let message: String
  }

  static let cases: [Case] = [
    Case(
      text: "{\"prompt\": \"a\", \"completion\": \"b\"}\n\n{\"prompt\": \"a\", \"completion\n",
      message:
        "DIR/d.jsonl:3:28: expected JSON, found the end of the text inside a string; try mending or removing the line"),
    Case(
      name: "d.json", text: "[{\"prompt\": \"a\", \"completion\": \"b\"},\n{\"prompt\": \"a\"\n\"completion\": 1}]",
      message: "DIR/d.json:3:1: expected JSON, found '\"' in place of ',' or '}'; try mending or removing the line"),
    Case(
      text: "[1]",
      message: "DIR/d.jsonl:1: sample: expected an object, found 1; try another format or column_map"),
    Case(text: " \n\t\n", message: "DIR/d.jsonl: expected samples, found an empty file; try another file"),
    Case(
      text: #"{"promt": "a", "completion": "b"}"#,
      message: "DIR/d.jsonl:1: expected the key 'prompt' (format prompt_completion), found 'promt', 'completion'; "
        + "try column_map: {prompt: promt}"),
    Case(
      text: #"{"question": "a", "answer": "b"}"#,
      message: "DIR/d.jsonl:1: expected the key 'prompt' (format prompt_completion), found 'question', 'answer'; "
        + "try column_map: {prompt: question}"),
    Case(
      text: #"{"prompt": "a", "completion": 3}"#,
      message: "DIR/d.jsonl:1: completion: expected a text, found 3; try another format or column_map"),
    Case(
      text: #"{"messages": [{"role": "tool", "content": "x"}]}"#, format: .chat,
      message:
        "DIR/d.jsonl:1: expected a role out of assistant, gpt, human, system, user, found 'tool', what a tool answered, "
        + "which no template here has words for; try renaming the role, or data.on_unsupported: drop to leave such "
        + "samples out"),
    Case(
      text: #"{"messages": [{"role": "bard", "content": "x"}]}"#, format: .chat,
      message: "DIR/d.jsonl:1: expected a role out of assistant, gpt, human, system, user, found 'bard'; "
        + "try renaming the role, or data.on_unsupported: drop to leave such samples out"),
    Case(
      text: "{}", map: ["promt": "question"],
      message:
        "column_map: expected a column of format prompt_completion (prompt, completion, system), found 'promt'; try 'prompt'"
    ),
    Case(
      text: "{}", path: "e.jsonl", message: "DIR/e.jsonl: expected a file, found none; try 'd.jsonl'"),
    Case(
      text: "{}", path: "*.csv",
      message: "DIR/*.csv: expected files that match, found none; try the pattern in a shell"),
    Case(
      text: "{}", path: ".", message: "DIR/.: expected a file or a pattern, found a folder; try DIR/./*.jsonl"),
    Case(
      text: "{}", weight: 0,
      message: "DIR/d.jsonl: weight: expected a number above 0 and at most 1000, found 0.0; try 1"),
    Case(
      text: "{}", weight: 1e18,
      message: "DIR/d.jsonl: weight: expected a number above 0 and at most 1000, found 1e+18; try 1"),
    Case(
      text: #"{"prompt": "a long long long prompt", "completion": "b"}"#,
      message:
        "DIR/d.jsonl: expected at least one sample to train on, found none:\nDIR/d.jsonl: 1 sample, 0 documents, "
        + "0 tokens, 0 with loss; 1 dropped: no token to learn within max_tokens\n"
        + "try a larger max_tokens or another format"),
  ]

  private func message(_ source: DataSource) throws -> String? {
    let tokenizer = try Fixtures.base.get()
    let options = DatasetOptions(template: .plain, lossOn: .response, maxTokens: 4, endOfSequence: 0)
    return #expect(throws: DataError.self) {
      try Dataset.load([source], options: options, tokenizer: tokenizer)
    }?.description
  }

  @Test(arguments: cases.indices)
  func says(index: Int) throws {
    let example = Self.cases[index]
    let folder = try TemporaryFolder()
    try folder.write(example.name, example.text)
    let source = DataSource(
      paths: [folder.path + "/" + (example.path ?? example.name)], format: example.format, columnMap: example.map,
      weight: example.weight)
    #expect(try message(source)?.replacingOccurrences(of: folder.path, with: "DIR") == example.message)
  }

  @Test func bytesThatAreNotUTF8() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/d.txt"
    try Data([0x61, 0x0A, 0xFF, 0x0A]).write(to: URL(fileURLWithPath: path))
    #expect(
      try message(DataSource(paths: [path], format: .text))
        == "\(path):2: expected UTF-8, found other bytes; try `iconv -t UTF-8`")
  }
}
