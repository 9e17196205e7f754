import Models
import Testing

@testable import Checkpoint

/// The table of names, by itself. What is expected is written out, not computed.
@Suite struct HubNamesTests {
  private static let experts = "model.layers.3.mlp.experts"

  /// Tensor, shape and entry of every piece, in words.
  private func words(_ pieces: [HubNames.Piece]) -> [String] {
    pieces.map { "\($0.tensor) \($0.shape)" + ($0.entry.map { " #\($0)" } ?? "") }
  }

  @Test func stackedExpertsLieInThreeWays() {
    let ways = HubNames(modelType: "olmoe").alternatives(Self.experts + ".gate_up_proj", shape: [2, 6, 4])
    #expect(
      words(ways[0]) == [
        "model.layers.3.mlp.experts.0.gate_proj.weight [3, 4]", "model.layers.3.mlp.experts.0.up_proj.weight [3, 4]",
        "model.layers.3.mlp.experts.1.gate_proj.weight [3, 4]", "model.layers.3.mlp.experts.1.up_proj.weight [3, 4]",
      ])
    #expect(words(ways[1]) == ["model.layers.3.mlp.experts.gate_up_proj [2, 6, 4]"])
    #expect(
      words(ways[2]) == [
        "model.layers.3.mlp.switch_mlp.gate_proj.weight [2, 3, 4] #0",
        "model.layers.3.mlp.switch_mlp.up_proj.weight [2, 3, 4] #0",
        "model.layers.3.mlp.switch_mlp.gate_proj.weight [2, 3, 4] #1",
        "model.layers.3.mlp.switch_mlp.up_proj.weight [2, 3, 4] #1",
      ])
    #expect(ways.allSatisfy { $0.reduce(0) { $0 + $1.count } == 48 })
    let down = HubNames(modelType: "qwen3_moe").alternatives(Self.experts + ".down_proj", shape: [2, 4, 3])
    #expect(words(down[0]).last == "model.layers.3.mlp.experts.1.down_proj.weight [4, 3]")
    #expect(words(down[2]).last == "model.layers.3.mlp.switch_mlp.down_proj.weight [2, 4, 3] #1")
  }

  @Test func mixtralHasNamesOfItsOwn() {
    let names = HubNames(modelType: "mixtral")
    let ways = names.alternatives(Self.experts + ".gate_up_proj", shape: [1, 6, 4])
    let block = "model.layers.3.block_sparse_moe"
    #expect(words(ways[0]) == ["\(block).experts.0.w1.weight [3, 4]", "\(block).experts.0.w3.weight [3, 4]"])
    #expect(words(ways[1]) == ["model.layers.3.mlp.experts.gate_up_proj [1, 6, 4]"])
    #expect(
      words(ways[2]) == [
        "\(block).switch_mlp.gate_proj.weight [1, 3, 4] #0", "\(block).switch_mlp.up_proj.weight [1, 3, 4] #0",
      ])
    #expect(
      words(names.written(Self.experts + ".down_proj", shape: [1, 4, 3], layout: .perExpert)) == [
        "\(block).experts.0.w2.weight [4, 3]"
      ])
    let router = "model.layers.3.mlp.gate.weight"
    #expect(words(names.written(router, shape: [1, 4], layout: .perExpert)) == ["\(block).gate.weight [1, 4]"])
    #expect(words(names.written(router, shape: [1, 4], layout: .fused)) == ["\(router) [1, 4]"])
  }

  /// Routers, shared experts and dense layers are named alike everywhere.
  @Test(arguments: [
    ("olmoe", "model.layers.0.mlp.gate.weight"), ("qwen2_moe", "model.layers.0.mlp.shared_expert.gate_proj.weight"),
    ("deepseek", "model.layers.0.mlp.shared_experts.down_proj.weight"),
    ("deepseek_v2", "model.layers.0.mlp.up_proj.weight"), ("mixtral", "model.layers.0.self_attn.q_proj.weight"),
  ])
  func otherParametersKeepTheirNames(modelType: String, name: String) {
    let ways = HubNames(modelType: modelType).alternatives(name, shape: [2, 3])
    #expect(ways == [[.init(tensor: name, shape: [2, 3])]])
  }

  /// A way that is half there is named by its own tensors, not by the hub's.
  @Test(arguments: [
    (["experts.gate_up_proj"], ["experts.gate_up_proj"]),
    (["switch_mlp.up_proj.weight"], ["switch_mlp.gate_proj.weight", "switch_mlp.up_proj.weight"]),
    (["experts.0.up_proj.weight"], ["experts.0.gate_proj.weight", "experts.0.up_proj.weight"]),
    ([], ["experts.0.gate_proj.weight", "experts.0.up_proj.weight"]),
  ])
  func theNearestWayIsFound(present: [String], found: [String]) {
    let block = "model.layers.3.mlp."
    let names = Set(present.map { block + $0 })
    let pieces = HubNames(modelType: "olmoe").found(Self.experts + ".gate_up_proj", shape: [1, 6, 4]) {
      names.contains($0)
    }
    #expect(pieces.map(\.tensor) == found.map { block + $0 })
  }
}
