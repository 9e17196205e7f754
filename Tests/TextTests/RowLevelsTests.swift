import Foundation
import TestSupport
import Testing

@testable import Text

/// A key that nothing knows, in every format and at every level of its rows.
@Suite struct RowLevelsTests {
  /// A level of a sound row: where a key is put, and whether an unknown one is an error; elsewhere it is a warning that
  /// names it.
  struct Level: Sendable {
    let format: DataFormat
    let row: String
    /// Behind these letters the key is put.
    let place: String
    let isError: Bool
  }

  private static let chat =
    #"{"messages": [{"role": "user", "content": [{"type": "text", "text": "A"}]}, "#
    + #"{"role": "assistant", "content": "b"}]}"#
  private static let trl =
    #"{"prompt": [{"role": "user", "content": "A"}], "#
    + #""completion": [{"role": "assistant", "content": "b"}]}"#
  private static let sharegpt = #"{"conversations": [{"from": "human", "value": "A"}, {"from": "gpt", "value": "b"}]}"#

  static let levels: [Level] = [
    .init(format: .alpaca, row: #"{"instruction": "A", "output": "b"}"#, place: "{", isError: false),
    .init(format: .text, row: #"{"text": "A b"}"#, place: "{", isError: false),
    .init(format: .promptCompletion, row: #"{"prompt": "A", "completion": "b"}"#, place: "{", isError: false),
    .init(format: .promptCompletion, row: trl, place: "{", isError: false),
    .init(format: .promptCompletion, row: trl, place: #"prompt": [{"#, isError: true),
    .init(format: .promptCompletion, row: trl, place: #"completion": [{"#, isError: true),
    .init(format: .chat, row: chat, place: "{", isError: false),
    .init(format: .chat, row: chat, place: "[{", isError: true),
    .init(format: .chat, row: chat, place: "}, {", isError: true),
    .init(format: .chat, row: chat, place: #"content": [{"#, isError: true),
    .init(format: .sharegpt, row: sharegpt, place: "{", isError: false),
    .init(format: .sharegpt, row: sharegpt, place: "[{", isError: true),
    .init(format: .sharegpt, row: sharegpt, place: "}, {", isError: true),
  ]

  /// What reading a row with a further member says: an error, or the warnings of its report.
  private func said(_ level: Level, _ member: String) throws -> (text: String, isError: Bool) {
    let range = try #require(level.row.range(of: level.place))
    let folder = try TemporaryFolder()
    let row = level.row.replacingCharacters(in: range, with: level.place + member + (member.isEmpty ? "" : ", "))
    let path = try folder.write("d.jsonl", row)
    do {
      let data = try Dataset.load(
        [DataSource(paths: [path], format: level.format)],
        options: DatasetOptions(template: .plain, lossOn: .response, maxTokens: 64, endOfSequence: 0),
        tokenizer: Fixtures.base.get())
      return (data.report.sources[0].warnings.joined(separator: "\n"), false)
    } catch {
      return ("\(error)", true)
    }
  }

  @Test(arguments: levels.indices)
  func anUnknownKeyIsNamed(index: Int) throws {
    let level = Self.levels[index]
    #expect(try said(level, "").text.isEmpty)
    let found = try said(level, #""zzz_colour": "red""#)
    #expect(found.isError == level.isError && found.text.contains("'zzz_colour'"), "\(found)")
    // Absent by another name.
    #expect(try said(level, #""zzz_colour": null"#).text.isEmpty)
  }

  /// Keys that others have or had in this place: OpenAI's of before tools, axolotl's, ms-swift's, LLaMA-Factory's.
  @Test(arguments: ["functions", "function_call", "tools", "images", "train_detail", "reasoning_content"])
  func aKeyOfAnotherVersionIsNamed(key: String) throws {
    for level in Self.levels {
      let found = try said(level, "\"\(key)\": [\"x\"]")
      // Of a column that no format has, the warning; of anything else the error.
      #expect(found.text.contains(key), "\(level) \(key): \(found)")
    }
  }
}
