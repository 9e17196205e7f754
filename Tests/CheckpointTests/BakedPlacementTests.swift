import Files
import Formats
import Placements
import Routing
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// Experts in the order of their devices, and what an engine that limits contiguous groups makes of them.
@Suite struct BakedPlacementTests {
  /// The function is unchanged, experts and router rows moved together, in checkpoints and folders.
  @Test(arguments: ["olmoe-odd", "qwen2_moe-odd"], ["baked.h5", "folder"])
  func functionIsUnchanged(name: String, destination: String) throws {
    let scratch = try TemporaryFolder()
    let files = try ModelFiles(opening: oracleFolder(name))
    let configuration = files.configuration
    let (experts, devices) = (configuration.experts, 4)
    let layers = configuration.sparseLayers.map { layer in
      Placement.Layer(layer: layer, expertDevice: (0..<experts).map { ($0 * 5 + layer) % devices })
    }
    var extras = CheckpointExtras(files)
    extras.routing = RoutingSettings(
      placement: try Placement(modelType: nil, experts: experts, devices: devices, layers: layers), policy: .bestMass,
      deviceLimit: 2)
    let checkpoint = scratch.path("limited.h5")
    try CheckpointWriter.write(checkpoint, weights: files, extras: extras, program: "test")
    _ = try Conversion(
      source: checkpoint, destination: scratch.path(destination), verifies: true, writesCode: destination == "folder",
      bakesPlacement: true
    ).run(program: "test")

    let (before, after) = (try ModelFiles(opening: checkpoint), try ModelFiles(opening: scratch.path(destination)))
    let contiguous = PlacementMethod.contiguous(experts: experts, devices: devices)
    #expect(after.routing?.placement.layers.allSatisfy { $0.expertDevice == contiguous } == true)
    #expect(after.routing?.policy == .bestMass && after.routing?.deviceLimit == 2)
    let (original, baked) = (try before.model(), try after.model())
    let layer = try #require(configuration.sparseLayers.last)
    let order = Placement.Permutation(try #require(layers.last).expertDevice).order
    let (gate, moved) = (try #require(original.layers[layer].moe), try #require(baked.layers[layer].moe))
    #expect(order != Array(0..<experts))
    for (place, expert) in order.enumerated() {
      let h = configuration.hidden
      #expect(
        moved.gate.weight.elements[place * h..<(place + 1) * h]
          == gate.gate.weight.elements[expert * h..<(expert + 1) * h])
    }
    let batch = TokenBatch(sequences: [[5, 17, 4, 140, 33, 8, 91], [7, 7, 120, 3, 149, 64, 12]])
    let logits = { (model: LanguageModel) in model.logits(model(batch).hidden).elements }
    let worst = zip(logits(original), logits(baked)).map { abs($0 - $1) }.max()
    #expect(try #require(worst) <= 1e-5)
  }

  /// Megatron's group_limited_topk on contiguous groups: the score of a group is the sum of its k / L largest.
  ///
  /// L = 1 is `best_mass`; where one expert makes the score (k = L, or DeepSeek-V2's rule for any L) it is `router`;
  /// between them it is no policy of ours.
  @Test(arguments: [(1, 8, RoutingPolicy.bestMass), (2, 1, .router), (3, 1, .router)])
  func groupsAreThePolicies(limit: Int, scored: Int, policy: RoutingPolicy) throws {
    let (experts, k, devices, tokens) = (64, 8, 4, 400)
    let rule = try RoutingRule(
      experts: experts, topK: k, placement: PlacementMethod.contiguous(experts: experts, devices: devices),
      devices: devices, policy: policy, deviceLimit: limit)
    var generator = SplitMix64(seed: 11)
    let logits = (0..<tokens * experts).map { _ in Float(generator.uniform() * 4) }
    var changed = 0
    for token in 0..<tokens {
      let p = (0..<experts).map { exp(logits[token * experts + $0]) }
      let size = experts / devices
      let score = (0..<devices).map { group in
        p[group * size..<(group + 1) * size].sorted(by: >).prefix(scored).map(Double.init).reduce(0, +)
      }
      let groups = Set((0..<devices).sorted { score[$0] > score[$1] }.prefix(limit))
      let expected = (0..<experts).filter { groups.contains($0 / size) }.sorted { p[$0] > p[$1] }.prefix(k)
      let found = rule.route(p)
      #expect(found.used.map(Int.init) == Array(expected), "token \(token)")
      changed += found.used == found.chosen ? 0 : 1
    }
    #expect(changed > tokens / 2)
  }
}
