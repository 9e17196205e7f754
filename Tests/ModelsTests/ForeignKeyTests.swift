import Foundation
import Testing

@testable import Models

/// A foreign JSON file of ours to read: a sound one, the objects in it, and what its reader says of it.
struct ForeignFile: Sendable, CustomTestStringConvertible {
  let name: String
  /// A sound file.
  let json: String
  /// Paths of its objects, the whole one first.
  let levels: [[String]]
  /// Keys of other versions or models, by level, of which something has to be said.
  let known: [(level: [String], key: String, value: String)]
  /// All that the reader says: what it warns of, and its error.
  let read: @Sendable (String) throws -> String

  var testDescription: String { name }

  /// The sound file with a key put into one of its objects.
  func adding(_ key: String, _ value: String, at level: [String]) throws -> String {
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8))
    let value = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
    func added(_ object: Any, _ rest: ArraySlice<String>) throws -> Any {
      var members = try #require(object as? [String: Any])
      guard let next = rest.first else {
        members[key] = value
        return members
      }
      members[next] = try added(try #require(members[next]), rest.dropFirst())
      return members
    }
    return String(
      decoding: try JSONSerialization.data(withJSONObject: try added(object, level[...])), as: UTF8.self)
  }
}

/// An unknown key, and a known one of another version, at every level of `config.json` and `generation_config.json`.
@Suite struct ForeignKeyTests {
  static let files: [ForeignFile] =
    RotaryOracleTests.families.map { family in
      ForeignFile(
        name: "config.json of \(family)", json: sound(family),
        levels: [[], ["rope_scaling"]],
        known: [
          ([], "attention_chunk_size", "128"), ([], "quantization_config", "{\"quant_method\": \"fp8\"}"),
          ([], "partial_rotary_factor", "0.5"), ([], "attention_dropout", "0.1"), ([], "layer_types", "[\"conv\"]"),
          (["rope_scaling"], "attention_factor", "2.0"), (["rope_scaling"], "low_freq_factor", "1"),
          (["rope_scaling"], "short_factor", "[1.0, 2.0]"), (["rope_scaling"], "full_attention", "{}"),
        ],
        read: { json in
          let found = try ModelFamily.configuration(json: json, file: "config.json")
          return (found.unknownKeys + [found.untrainable?.description ?? ""]).joined(separator: " ")
        })
    } + [
      ForeignFile(
        name: "generation_config.json",
        json: #"{"do_sample": true, "eos_token_id": [2], "temperature": 0.7, "transformers_version": "4.51.0"}"#,
        levels: [[]],
        known: [([], "min_p", "0.1"), ([], "num_beams", "4"), ([], "bad_words_ids", "[[1]]")],
        read: { json in
          let found = try GenerationSettings(json: json, file: "generation_config.json", vocabulary: 10)
          return (found.unknownKeys + found.ignored).joined(separator: " ")
        })
    ]

  /// A family's tiny configuration with a scaling of its own.
  private static func sound(_ family: String) -> String {
    let path =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Oracles/\(family)-tiny/config.json"
    guard let data = FileManager.default.contents(atPath: path),
      var config = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { return "" }
    config["rope_parameters"] = nil
    config["rope_theta"] = 500
    config["rope_scaling"] = ["rope_type": "linear", "factor": 2]
    return (try? JSONSerialization.data(withJSONObject: config)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  @Test(arguments: files) func somethingIsSaid(file: ForeignFile) throws {
    #expect(try file.read(file.json).trimmingCharacters(in: .whitespaces) == "")
    func words(_ key: String, _ value: String, _ level: [String]) throws -> String {
      let json = try file.adding(key, value, at: level)
      do { return try file.read(json) } catch { return "\(error)" }
    }
    for level in file.levels {
      for value in ["1", "\"x\"", "{\"a\": 1}", "[1]", "true"] {
        #expect(try words("zeta", value, level).contains("zeta"), "\(level) \(value)")
      }
    }
    for (level, key, value) in file.known {
      #expect(try words(key, value, level).contains(key), "\(level) \(key)")
      #expect(file.levels.contains(level))
    }
  }
}
