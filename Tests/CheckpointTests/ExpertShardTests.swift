import Checkpoint
import Placements
import Models
import Testing

/// Which entries of stacked parameters and of their adapters a device holds.
@Suite struct ExpertShardTests {
  private let configuration: ModelConfiguration
  private let placement: Placement

  init() throws {
    configuration = try OLMoE.configuration(
      layers: 2, hidden: 8, heads: 2, experts: 6, intermediate: 4, topK: 2, vocabulary: 16, context: 16)
    placement = try Placement(
      modelType: "olmoe", experts: 6, devices: 3,
      layers: [.init(layer: 0, expertDevice: [0, 1, 2, 0, 1, 2]), .init(layer: 1, expertDevice: [2, 2, 1, 1, 0, 0])])
  }

  @Test func adaptersFollowTheirExperts() {
    let adapters = AdapterSettings(
      roles: [.experts: .init(rank: 2, alpha: 4), .attention: .init(rank: 2, alpha: 4)],
      experts: ["model.layers.0.mlp.experts": [1, 3, 4]])
    let shard = ExpertShard(placement, device: 1, configuration, adapters: adapters)
    #expect(shard.entries(of: "model.layers.0.mlp.experts.down_proj") == [1, 4])
    // Numbers among the adapted 1, 3 and 4.
    #expect(shard.entries(of: "model.layers.0.mlp.experts.down_proj.lora_A") == [0, 2])
    #expect(shard.entries(of: "model.layers.0.mlp.experts.gate_up_proj.lora_B", on: 0) == [1])
    #expect(shard.entries(of: "model.layers.0.mlp.experts.gate_up_proj.lora_B", on: 2) == [])
    // Where no experts are named, all are adapted.
    #expect(shard.entries(of: "model.layers.1.mlp.experts.down_proj.lora_B") == [2, 3])
    #expect(shard.entries(of: "model.layers.0.self_attn.q_proj.lora_A") == nil)
    // By places among the experts held: both in layer 0, both in layer 1.
    #expect(
      shard.ownAdapters?.experts == ["model.layers.0.mlp.experts": [0, 1], "model.layers.1.mlp.experts": [0, 1]])
    let other = ExpertShard(placement, device: 0, configuration, adapters: adapters)
    #expect(other.ownAdapters?.experts["model.layers.0.mlp.experts"] == [1])
    #expect(ExpertShard(placement, device: 0, configuration).ownAdapters == nil)
  }
}
