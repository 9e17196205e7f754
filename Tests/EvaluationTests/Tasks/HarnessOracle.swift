import Checkpoint
import Foundation
import Models
import Testing
import Text
import Training

@testable import Evaluation

/// What lm-evaluation-harness gives for the committed rows.
struct HarnessOracle: Decodable {
  let results: [String: [String: Figure]]
  let samples: [String: [Sample]]

  struct Sample: Decodable {
    let prompt_hash: String
    let target_hash: String
    let loglikelihoods: [Double]?
    let greedy: [Bool]?
    let generated: String?
    let filtered: String?
    let acc: Double?
    let acc_norm: Double?
    let exact_match: Double?
  }

  /// A number, or "N/A".
  struct Figure: Decodable {
    let value: Double?
    init(from decoder: any Decoder) throws { value = try? decoder.singleValueContainer().decode(Double.self) }
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  /// Folder of the oracle and its rows.
  static let folder = root + "/Tests/EvaluationTests/Oracles/harness"

  static func load() throws -> HarnessOracle {
    try JSONDecoder().decode(
      HarnessOracle.self, from: try Data(contentsOf: URL(fileURLWithPath: folder + "/oracle.json")))
  }

  /// Scores tasks of the committed rows with the base model.
  static func evaluate(
    _ names: [String], limit: Int? = nil, shots: Int? = nil, batchTokens: Int = 4096, catalog: TaskCatalog? = nil,
    devices: Int? = nil
  ) throws -> TaskEvaluation {
    let base = try BaseModel()
    let set = try TaskSet(
      names, catalog: try catalog ?? TaskCatalog(), folder: folder, limit: limit, shots: shots)
    let (model, routing) = try base.files.model(
      overriding: RoutingOverrides(devices: devices, placement: nil, policy: nil, deviceLimit: nil, profile: nil),
      device: nil)
    return try TaskEvaluation(
      set, model: model, tokenizer: base.tokenizer, endOfText: base.end, routing: routing, batchTokens: batchTokens)
  }
}

/// The base model and its tokenizer.
struct BaseModel {
  let files: ModelFiles
  let tokenizer: Tokenizer
  let end: Int32

  init() throws {
    files = try ModelFiles(opening: HarnessOracle.root + "/checkpoints/base.h5")
    (tokenizer, end) = try TrainingData.tokenizer(of: files)
  }
}
