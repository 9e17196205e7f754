import Formats
import Checkpoint
import Placements
import Profiles
import Foundation
import Models
import Tensors
import Testing
import Text

@testable import Training

/// A small random OLMoE on disk with documents to train it on, in a folder that goes with the value.
final class TinyRun {
  static let json = """
    {"model_type": "olmoe", "hidden_act": "silu", "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2,
     "num_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 16, "vocab_size": 64,
     "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "norm_topk_prob": false,
     "clip_qkv": null, "tie_word_embeddings": false, "router_aux_loss_coef": 0.01, "eos_token_id": 0,
     "initializer_range": 0.08}
    """

  let folder: TemporaryFolder
  let base: ModelFiles
  var recipe: Recipe

  init() throws {
    folder = try TemporaryFolder()
    let configuration = try ModelFamily.configuration(json: Self.json, file: "config.json")
    let path = folder.path + "/base.h5"
    try CheckpointWriter.write(
      path, weights: ModelBytes(ModelFamily.random(configuration, seed: 1)),
      extras: CheckpointExtras(configuration: configuration), program: "test")
    base = try ModelFiles(opening: path)
    recipe = Recipe(
      model: path, data: .init(train: [.init(path: "/data.jsonl", format: .alpaca)]), output: folder.path + "/run")
    recipe.data.maxTokens = 32
    recipe.routing.devices = 2
    recipe.optimizer.learningRate = 1e-2
    recipe.schedule.batchTokens = 64
    recipe.schedule.warmupSteps = 2
    recipe.schedule.maxSteps = 8
    recipe.run.evaluateEvery = 4
    recipe.save.every = 6
  }

  /// Documents of 4 to 24 tokens; the first third of each is only read.
  static func documents(_ count: Int, seed: UInt64 = 3) -> [TokenizedDocument] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { id in
      let tokens = (0..<4 + generator.uniform(below: 21)).map { _ in Int32(generator.uniform(below: 64)) }
      return TokenizedDocument(
        tokens: tokens, hasLoss: tokens.indices.map { $0 * 3 >= tokens.count }, id: id, source: "test:\(id)")
    }
  }

  func tuning(_ output: String = "run", data: TrainingData? = nil, base: ModelFiles? = nil) throws -> FineTuning {
    let base = base ?? self.base
    var recipe = recipe
    recipe.output = folder.path + "/" + output
    let c = base.configuration
    let devices = recipe.routing.devices
    let layers = (0..<c.layers).map {
      Placement.Layer(layer: $0, expertDevice: PlacementMethod.contiguous(experts: c.experts, devices: devices))
    }
    let placement = try Placement(modelType: c.modelType, experts: c.experts, devices: devices, layers: layers)
    func profile() throws -> CollaborationProfile {
      try ModelProfiler(try base.model(), batchTokens: 64).profile(
        Self.documents(10).map { ($0.id, $0.tokens) }, data: "test")
    }
    let adapters = try AdapterPlan.settings(recipe, c) { try profile() }
    return FineTuning(
      recipe: recipe, base: base, routing: try RoutingPlan.settings(recipe, placement, profile: profile),
      adapters: adapters,
      data: data ?? TrainingData(train: Self.documents(40), validation: Self.documents(5, seed: 4)),
      folder: RunFolder(recipe.output), program: "test")
  }

  /// Lines of `metrics.jsonl` without what a clock says.
  static func metrics(_ folder: RunFolder) throws -> [[String: Double]] {
    try String(contentsOfFile: folder.metrics, encoding: .utf8).split(separator: "\n").map { line in
      let record = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      return record.filter { !["seconds", "tokens_per_second", "peak_memory"].contains($0.key) }
        .compactMapValues { $0 as? Double }
    }
  }
}

/// Elements of every parameter as bits, by name.
func bits(_ model: LanguageModel) -> [String: [UInt32]] {
  var bits: [String: [UInt32]] = [:]
  model.forEachParameter { path, parameter in bits[path.name] = parameter.elements.map(\.bitPattern) }
  return bits
}
