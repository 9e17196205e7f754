import Foundation
import Testing

@testable import Text

/// The data beside the recipes is what its SOURCE.md says.
@Suite struct RecipeDataTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "recipes/data").path

  private func load(_ name: String, _ format: DataFormat, map: [String: String] = [:]) throws -> Dataset {
    try Dataset.load(
      [DataSource(paths: [Self.folder + "/" + name], format: format, columnMap: map)],
      options: DatasetOptions(template: .alpaca, lossOn: .response, maxTokens: 512, endOfSequence: 0),
      tokenizer: Fixtures.base.get())
  }

  /// `prompt` of every sample, by the reader that recipes use.
  private func prompts(_ name: String, _ format: DataFormat, map: [String: String] = [:]) throws -> [String] {
    let source = DataSource(paths: [Self.folder + "/" + name], format: format, columnMap: map)
    return try SampleReader(source: source, template: .plain, lossOn: .response).read().samples.map(\.prompt)
  }

  @Test func trainAndTestAreDisjoint() throws {
    let map = ["prompt": "question", "completion": "answer"]
    let train = try prompts("gsm8k-train.jsonl", .promptCompletion, map: map)
    let test = try prompts("gsm8k-test.jsonl", .promptCompletion, map: map)
    #expect(train.count == 2000 && test.count == 300 && Set(train).isDisjoint(with: test))
    let instructions = try prompts("instructions-train.json", .alpaca)
    let held = try prompts("instructions-test.json", .alpaca)
    #expect(instructions.count == 900 && held.count == 200 && Set(instructions).isDisjoint(with: held))
  }

  @Test func allOfItLoads() throws {
    let test = try load(
      "gsm8k-test.jsonl", .promptCompletion, map: ["prompt": "question", "completion": "answer"])
    #expect(test.report.droppedCount == 0 && test.documents.count == 300)
    for (name, tokens) in [("base-profile.txt", 100_000), ("wikitext-test.txt", 80_000)] {
      let text = try load(name, .text)
      #expect(text.report.tokens > tokens && text.documents.allSatisfy { $0.tokens.count <= 512 })
    }
  }
}
