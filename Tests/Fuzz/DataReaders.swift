import Formats
import Placements
import Routing
import Foundation
import Text

/// Rows to train on, in every format, read and tokenised.
struct DataRowsReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  private let format: DataFormat
  private let tokenizer: Tokenizer
  /// Rows have few numbers, and most of their formats none.
  let isWithoutNumbers = true

  init(_ format: DataFormat, _ name: String, _ rows: String) throws {
    self.format = format
    fileName = "rows-\(format.rawValue)-\(name)"
    corpus = [Array(rows.utf8)]
    let path = "TextTests/Oracles/base.tokenizer.json"
    tokenizer = try Tokenizer(json: Data(try fixture(path)), source: path)
  }

  /// One reader a format, and one of tables.
  static func all() throws -> [DataRowsReading] {
    try [
      DataRowsReading(
        .alpaca, "a.jsonl",
        """
        {"instruction": "Add.", "input": "1 2", "output": "3", "system": "S", "history": [["a", "b"]], "id": 1}
        {"instruction": "Say hi.", "output": "hi", "weight": 1, "tools": null}
        """),
      DataRowsReading(
        .sharegpt, "a.json",
        """
        [{"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "R", "weight": 1}], "system": "S"},
         {"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "Q"}]}]
        """),
      DataRowsReading(
        .chat, "a.jsonl",
        """
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "A"}]}, {"role": "assistant", "content": "b", "train": false}]}
        {"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "b", "tool_calls": [], "name": null}]}
        """),
      DataRowsReading(
        .promptCompletion, "a.jsonl",
        """
        {"prompt": [{"role": "user", "content": "A"}], "completion": [{"role": "assistant", "content": "b"}]}
        {"prompt": "One", "completion": " two", "score": 2.5}
        """),
      DataRowsReading(.promptCompletion, "a.csv", "prompt,completion\r\n\"One, \"\"two\"\"\r\n\",three\r\n,\"\"\n"),
      DataRowsReading(.text, "a.jsonl", "{\"text\": \"a b\\n\\nc d\"}\n{\"text\": \"e\"}\n"),
    ]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    for (drop, scope) in [(UnsupportedSamples.drop, LossScope.all), (.error, .response)] {
      let data = try Dataset.load(
        [DataSource(paths: [path], format: format, onUnsupported: drop)],
        options: .init(template: .alpaca, lossOn: scope, maxTokens: 64, endOfSequence: 0), tokenizer: tokenizer)
      _ = data.report.description
    }
  }
}
