import Checkpoint
import Foundation
import Tensors
import Testing

@testable import Models

/// Every spelling of the rotary settings, for every family, against transformers in float64: `Oracles/make_rotary.py`.
@Suite struct RotaryOracleTests {
  static let families = ["olmoe", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek", "deepseek_v2"]
  private static let keys: Set = [
    "rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings",
  ]

  private static func object(_ path: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private static func json(_ object: [String: Any]) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
  }

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Oracles"

  /// A family's tiny model under other rotary keys.
  private static func configuration(_ family: String, _ variant: [String: Any]) throws -> ModelConfiguration {
    var config = try object("\(folder)/\(family)-tiny/config.json").filter { !keys.contains($0.key) }
    config.merge(variant) { $1 }
    return try ModelFamily.configuration(json: try json(config), file: "config.json")
  }

  @Test(arguments: families) func logitsAreThoseOfTransformers(family: String) throws {
    let variants = try Self.object(Self.folder + "/rotary/variants.json")
    #expect(variants.count > 40)
    let (oracle, values) = (try Oracle(family + "-tiny"), try Oracle("rotary", file: "logits.h5"))
    let whole = try oracle.model()
    var weights: [String: Tensor] = [:]
    whole.forEachParameter { path, tensor in weights[path.name] = tensor }
    let shape = try oracle.shape("input_ids")
    let batch = TokenBatch(sequences: [Array(try oracle.integers("input_ids").prefix(shape[1]))])
    let plain = try values.floats("\(family)/theta-at-the-top")
    for (name, keys) in variants {
      let configuration = try Self.configuration(family, try #require(keys as? [String: Any]))
      let model = try ModelFamily.model(configuration) { (name: String, _: [Int]) throws(MissingWeight) in
        guard let tensor = weights[name] else { throw MissingWeight(name: name) }
        return tensor
      }
      let pass = model(batch)
      let last = model.logits(pass.hidden.gatherRows([Int32(shape[1] - 1)])).elements
      let expected = try values.floats("\(family)/\(name)")
      #expect(relativeError(last, expected) <= 1e-5, "\(name)")
      // A setting that is read as another one is off by far more.
      let distance = relativeError(plain.map(Float.init), expected)
      #expect(distance == 0 || distance > 1e-3, "\(name): \(distance)")
    }
  }

  private struct MissingWeight: Error { let name: String }

  /// What is not computed is named with what it would have been.
  @Test(
    arguments: [
      (
        #"{"rope_scaling": {"rope_type": "longrope", "factor": 4.0, "short_factor": [1.0], "long_factor": [2.0]}}"#,
        "rope_scaling.rope_type: expected default, linear, dynamic, yarn or llama3, found longrope"
      ),
      (
        #"{"rope_scaling": {"type": "su", "factor": 4.0}}"#,
        "rope_scaling.type: expected default, linear, dynamic, yarn or llama3, found su"
      ),
      (
        #"{"rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 1.0}}"#,
        "rope_parameters.rope_type: expected default, linear, dynamic, yarn or llama3, found proportional"
      ),
      (
        #"{"rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 1]}}"#,
        "rope_scaling.type: expected default, linear, dynamic, yarn or llama3, found mrope"
      ),
      (
        #"{"rope_parameters": {"full_attention": {"rope_type": "default"}}}"#,
        "rope_parameters.full_attention: expected one map for all layers, found a map of its own"
      ),
      (
        #"{"rope_parameters": {"rope_theta": 1e4}, "partial_rotary_factor": 0.5}"#,
        "partial_rotary_factor: expected 1: no class of these families rotates a part of a head, found 0.5"
      ),
      (
        #"{"rope_parameters": {"partial_rotary_factor": 0.25}, "partial_rotary_factor": 1}"#,
        "rope_parameters.partial_rotary_factor: expected 1: no class of these families rotates a part of a head, found 0.25"
      ),
      (
        #"{"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}}"#,
        "rope_scaling.high_freq_factor: expected a number above low_freq_factor = 4.0, found 4.0"
      ),
      (
        #"{"rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 64}}"#,
        "rope_scaling.factor: expected a number above 0.0, found nothing; class defaults are not used: add the key"
      ),
      (#"{"rope_scaling": "linear"}"#, "rope_scaling: expected an object, found 'linear'"),
    ])
  func whatIsNotComputedIsNamed(keys: String, message: String) throws {
    let variant = try #require(try JSONSerialization.jsonObject(with: Data(keys.utf8)) as? [String: Any])
    for family in Self.families {
      let error = #expect(throws: ConfigurationError.self) { try Self.configuration(family, variant) }
      #expect(error?.description == "config.json: " + message, "\(family)")
    }
  }

  /// Keys of another type, and keys of none, are told with their place.
  @Test func keysThatATypeDoesNotReadAreTold() throws {
    let configuration = try Self.configuration(
      "qwen3_moe",
      ["rope_scaling": ["rope_type": "linear", "factor": 2, "beta_fast": 8, "stretch": 3], "rope_theta": 500])
    #expect(configuration.unknownKeys == ["rope_scaling.beta_fast", "rope_scaling.stretch"])
  }
}
