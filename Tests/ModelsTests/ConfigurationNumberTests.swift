import Extremes
import Foundation
import Testing

@testable import Models

/// Every number of a published `config.json` of each family, made extreme: an error that names the key, or a
/// configuration whose parameters can be counted.
@Suite struct ConfigurationNumberTests {
  @Test(arguments: ["deepseek", "deepseek_v2_lite", "mixtral", "olmoe", "qwen"])
  func everyNumberMayBeExtreme(family: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Configurations")
    let text = try String(contentsOf: folder.appendingPathComponent(family + ".json"), encoding: .utf8)
    var count = 0
    Extremes.texts(of: text) { json, what in
      count += 1
      do {
        let configuration = try ModelFamily.configuration(json: json, file: "config.json")
        #expect(configuration.endTokens.allSatisfy { (0..<configuration.vocabulary).contains($0) }, "\(what)")
        // What cannot be held is refused before its sizes are multiplied; what is tiny is counted.
        if configuration.hidden < 10_000, configuration.layers < 200, configuration.experts < 1000 {
          #expect(configuration.parameterCount > 0)
        }
      } catch {
        #expect("\(error)".contains("expected"), "\(what): \(error)")
      }
    }
    #expect(count > 100)
  }

  @Test(arguments: [
    ("\"eos_token_id\": 1099511627776", "eos_token_id: expected an integer in 0...50303 or a list of them, found"),
    ("\"eos_token_id\": [0, -1]", "eos_token_id: expected an integer in 0...50303 or a list of them, found"),
    ("\"eos_token_id\": [0, \"1\"]", "eos_token_id: expected an integer in 0...50303 or a list of them, found"),
    (
      "\"eos_token_id\": 18446744073709551616",
      "eos_token_id: expected an integer in 0...50303 or a list of them, found"
    ),
  ])
  func endTokensAreIDsOfTheVocabulary(text: String, message: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Configurations")
    var json = try String(contentsOf: folder.appendingPathComponent("olmoe.json"), encoding: .utf8)
    json = json.replacing(/"eos_token_id": [0-9]+/, with: text).replacing(
      /"vocab_size": [0-9]+/, with: "\"vocab_size\": 50304")
    do {
      _ = try ModelFamily.configuration(json: json, file: "config.json")
      Issue.record("expected an error")
    } catch {
      #expect("\(error)".hasPrefix("config.json: " + message), "\(error)")
    }
  }
}
