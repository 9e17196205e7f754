import Formats
import Foundation
import Testing

@testable import Models

/// Keys of `config.json`: none is dropped in silence, and what says that it is off is off.
@Suite struct ConfigurationKeyTests {
  static let families = RotaryOracleTests.families

  /// A family's tiny configuration with keys put in; nil takes one out.
  private static func read(_ family: String, _ keys: [String: Any?]) throws -> ModelConfiguration {
    let path =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Oracles/\(family)-tiny/config.json"
    var config = try #require(
      try JSONSerialization.jsonObject(with: try Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
    for (key, value) in keys { config[key] = value }
    let data = try JSONSerialization.data(withJSONObject: config)
    return try ModelFamily.configuration(json: String(decoding: data, as: UTF8.self), file: "config.json")
  }

  /// What transformers writes and what is on the hub is known to the last key.
  @Test(arguments: families) func filesOfTransformersHoldNoUnknownKey(family: String) throws {
    #expect(try Self.read(family, [:]).unknownKeys == [])
  }

  @Test(arguments: ["deepseek", "deepseek_v2_lite", "mixtral", "olmoe", "qwen"])
  func publishedFilesHoldNoUnknownKey(name: String) throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Configurations/\(name).json"
    let configuration = try ModelFamily.configuration(
      json: try String(contentsOfFile: path, encoding: .utf8), file: "config.json")
    #expect(configuration.unknownKeys == [] && configuration.untrainable == nil)
  }

  @Test(arguments: families) func unknownKeysAreTold(family: String) throws {
    let known = try Self.read(family, [:])
    let found = try Self.read(family, ["zeta": 1, "Hidden_size": 7, "off": NSNull(), "alpha": ["x": 1]])
    #expect(found.unknownKeys == ["Hidden_size", "alpha", "zeta"])
    #expect(found.hidden == known.hidden)
  }

  /// Every key that is refused is read where it is off, and refused with its meaning where it is on.
  @Test(arguments: families) func refusedKeysMayBeOff(family: String) throws {
    let own = ConfigurationKeys.used(by: family)
    for (key, refused) in ConfigurationKeys.refused where !own.contains(key) {
      for off in [NSNull(), false, [Any](), [String: Any]()] as [Any] {
        #expect(try Self.read(family, [key: off]).unknownKeys == [], "\(key)")
      }
      if let value = refused.off {
        let off: Any =
          switch value {
          case .bool(let flag): flag
          case .integer(let number): number
          case .string(let text): text
          default: NSNull()
          }
        #expect(try Self.read(family, [key: off]).unknownKeys == [], "\(key)")
      }
      let error = #expect(throws: ConfigurationError.self, "\(key)") { try Self.read(family, [key: 3]) }
      #expect(error?.description.contains(refused.meaning) == true, "\(key)")
    }
  }

  /// Dropout and jitter are off in evaluation: they keep a model from being trained, not from being read.
  @Test(arguments: families) func settingsOfTrainingAreReadAndRefusedThere(family: String) throws {
    for (key, meaning) in ConfigurationKeys.training {
      #expect(try Self.read(family, [key: 0.0]).untrainable == nil)
      #expect(try Self.read(family, [key: NSNull()]).untrainable == nil)
      let found = try Self.read(family, [key: 0.25])
      #expect(
        found.untrainable?.description
          == "config.json: \(key): expected 0 for training: \(meaning) is not computed (without training it is off), "
          + "found 0.25; try a copy of the model whose configuration says 0")
      #expect(found.unknownKeys == [])
      #expect(throws: ConfigurationError.self) { try Self.read(family, [key: "0.1"]) }
    }
  }

  /// Two spellings that agree are one.
  @Test func spellingsThatAgree() throws {
    for (family, key) in [("olmoe", "num_local_experts"), ("mixtral", "num_experts"), ("qwen3_moe", "num_experts")] {
      let plain = try Self.read(family, [:])
      #expect(try Self.read(family, [key: plain.experts]).experts == plain.experts)
    }
    // Only the other spelling, as transformers' attribute_map allows it.
    #expect(try Self.read("olmoe", ["num_experts": nil, "num_local_experts": 8]).experts == 8)
    #expect(try Self.read("mixtral", ["num_local_experts": nil, "num_experts": 8]).experts == 8)
    #expect(try Self.read("deepseek_v2", ["n_routed_experts": nil, "num_experts": 8]).experts == 8)
  }

  @Test func windowsThatAreNone() throws {
    _ = try Self.read("mixtral", ["sliding_window": 256])
    _ = try Self.read("qwen3_moe", ["use_sliding_window": true, "sliding_window": 4096])
    _ = try Self.read("qwen3_moe", ["use_sliding_window": false, "sliding_window": 16])
    _ = try Self.read("qwen2_moe", ["use_sliding_window": true, "sliding_window": 16])
  }

  /// A key that comes twice is an error: readers differ in which of two they take.
  @Test func repeatedKeys() {
    #expect(throws: ConfigurationError.self) {
      try ModelFamily.configuration(json: #"{"model_type": "olmoe", "model_type": "mixtral"}"#, file: "config.json")
    }
  }
}

/// The tables of `docs/compatibility.md` name every key that the code knows.
@Suite struct CompatibilityTableTests {
  @Test func documentationNamesEveryKey() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appendingPathComponent("docs/compatibility.md"), encoding: .utf8)
    func section(_ title: String) throws -> Substring {
      let start = try #require(text.range(of: "\n## \(title)\n")?.upperBound)
      return text[start..<(text.range(of: "\n## ", range: start..<text.endIndex)?.lowerBound ?? text.endIndex)]
    }
    let configuration = try section("config.json")
    var keys = ConfigurationKeys.used.union(ConfigurationKeys.withoutEffect).union(ConfigurationKeys.refused.keys)
    keys.formUnion(ConfigurationKeys.training.keys)
    for family in ConfigurationKeyTests.families {
      keys.formUnion(ConfigurationKeys.used(by: family).union(ConfigurationKeys.fixed(family).keys))
    }
    #expect(keys.filter { !configuration.contains("`\($0)`") }.sorted() == [])
    let generation = try section("generation_config.json")
    let settings = GenerationSettings.used.union(GenerationSettings.withoutEffect).union(
      GenerationSettings.notComputed.keys)
    #expect(settings.filter { !generation.contains("`\($0)`") }.sorted() == [])
  }
}
