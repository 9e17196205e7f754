import Formats
import Foundation
import TestSupport
import Testing

@testable import Placements
@testable import Routing

@Suite struct ReplicaTests {
  /// Every subset of devices, tried by size: the definition itself.
  private static func subsets(_ lists: [[Int]], devices: Int) -> [[Int]] {
    var best: [[Int]] = []
    for mask in 1..<(1 << devices) {
      let subset = (0..<devices).filter { mask & (1 << $0) != 0 }
      guard lists.allSatisfy({ $0.contains(where: subset.contains) }) else { continue }
      if subset.count < best.first?.count ?? .max { best = [] }
      if subset.count <= best.first?.count ?? .max { best.append(subset) }
    }
    return best.sorted { $0.lexicographicallyPrecedes($1) }
  }

  @Test func smallestSetsAreThoseOfTryingAll() {
    var generator = SplitMix64(seed: 4)
    for _ in 0..<300 {
      let lists = (0..<5).map { _ -> [Int] in
        Set((0...generator.below(3)).map { _ in generator.below(7) }).sorted()
      }
      let (covers, all) = (SmallestCovers(lists), Self.subsets(lists, devices: 7))
      #expect(covers.first == all[0] && covers.devices == Set(all.joined()).sorted())
      for home in 0..<7 { #expect(covers.first(with: home) == all.first { $0.contains(home) }) }
    }
  }

  @Test func figuresAreMeansOverHomes() throws {
    let (devices, nodes) = (6, 2)
    let layer = clusteredProfile(tokens: 120, experts: 12, topK: 4, groups: 3, seed: 2)
    let placement = PlacementMethod.random(experts: 12, devices: devices, seed: 3, layer: 0)
    let replicas = try Replica.choose(layer, placement: placement, devices: devices, each: 2)
    var (visits, remote, nodeVisits, intra) = (0, 0, 0, 0)
    var rows = [Int](repeating: 0, count: devices)
    for token in 0..<120 {
      let lists = layer.sets[token * 4..<(token + 1) * 4].map { expert in
        ([placement[Int(expert)]] + replicas.filter { $0.expert == Int(expert) }.map(\.device)).sorted()
      }
      let sets = Self.subsets(lists, devices: devices)
      for home in 0..<devices {
        let set = sets.first { $0.contains(home) } ?? sets[0]
        visits += set.count
        remote += set.filter { $0 != home }.count
        nodeVisits += Set(set.map { $0 / 3 }).count
        var served = [Int](repeating: 0, count: devices)
        for list in lists {
          let here = set.filter(list.contains)
          served[here.contains(home) ? home : here[0]] += 1
        }
        for device in 0..<devices {
          rows[device] += served[device]
          intra += served[device] * (served[device] - 1) / 2
        }
      }
    }
    let covers = Covers(layer, placement: placement, replicas: replicas, devices: devices, nodes: nodes)
    let count = Double(120 * devices)
    func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 }
    #expect(close(covers.prediction.devicesPerToken, Double(visits) / count))
    #expect(close(covers.prediction.remoteCopies, Double(remote) / count))
    #expect(close(covers.prediction.intraShare, Double(intra) / count / 6))
    #expect(close(covers.prediction.imbalance, Double((rows.max() ?? 0) * devices) / Double(rows.reduce(0, +))))
    #expect(close(covers.nodePrediction.nodesPerToken, Double(nodeVisits) / count))
  }

  @Test func withoutReplicasACoverIsAPlacement() throws {
    let layer = clusteredProfile(tokens: 200, experts: 16, topK: 4, groups: 4, seed: 7)
    let placement = PlacementMethod.random(experts: 16, devices: 4, seed: 3, layer: 0)
    let covers = Covers(layer, placement: placement, replicas: [], devices: 4, nodes: 2)
    let plain = try Prediction(layer, placement: placement, devices: 4)
    #expect(covers.prediction.devicesPerToken == plain.devicesPerToken)
    #expect(abs(covers.prediction.remoteCopies - plain.remoteCopies) <= 1e-12)
    #expect(abs(covers.prediction.intraShare - plain.intraShare) <= 1e-12)
    #expect(covers.prediction.imbalance == plain.imbalance)
    #expect(try NodePrediction(layer, placement: placement, devices: 4, nodes: 2) == covers.nodePrediction)
  }

  @Test func everyCopySavesWhatItPromises() throws {
    let layer = clusteredProfile(tokens: 300, experts: 16, topK: 4, groups: 4, seed: 5)
    let placement = PlacementMethod.contiguous(experts: 16, devices: 4)
    var last = try Prediction(layer, placement: placement, devices: 4).devicesPerToken
    for each in 1...3 {
      let replicas = try Replica.choose(layer, placement: placement, devices: 4, each: each)
      #expect(replicas.count == 4 * each)
      #expect(try Replica.choose(layer, placement: placement, devices: 4, each: each) == replicas)
      for device in 0..<4 { #expect(replicas.filter { $0.device == device }.count == each) }
      let now = Covers(layer, placement: placement, replicas: replicas, devices: 4, nodes: 1).prediction.devicesPerToken
      #expect(now < last)
      last = now
    }
    // All experts everywhere: every token stays at home.
    let all = try Replica.choose(layer, placement: placement, devices: 4, each: 12)
    let covers = Covers(layer, placement: placement, replicas: all, devices: 4, nodes: 1).prediction
    #expect(covers.devicesPerToken == 1 && covers.remoteCopies == 0 && covers.imbalance == 1)
    let error = #expect(throws: PlacementError.self) {
      _ = try Replica.choose(layer, placement: placement, devices: 4, each: 13)
    }
    #expect(error?.description == "replicas: expected 0...12 on each of 4 devices, found 13")
  }

  static let file = """
    {"format": "occult-placement", "version": 1, "experts": 4, "devices": 2, "nodes": 2, "layers": [
      {"layer": 1, "expert_device": [0, 1, 1, 0], "replicas": [{"expert": 1, "device": 0}, {"expert": 3, "device": 1}]},
      {"layer": 2, "expert_device": [0, 0, 1, 1], "replicas": [{"expert": 2, "device": 0}, {"expert": 0, "device": 1}]}
    ]}
    """

  @Test(arguments: [
    ("\"nodes\": 2", "\"nodes\": 3", "p.json: nodes: expected a divisor of 2 devices, found 3"),
    (
      "{\"expert\": 1, \"device\": 0}", "{\"expert\": 4, \"device\": 0}",
      "p.json: layer 1: replica of expert 4: expected an expert in 0..<4, found 4"
    ),
    (
      "{\"expert\": 1, \"device\": 0}", "{\"expert\": 1, \"device\": 2}",
      "p.json: layer 1: replica of expert 1: expected a device in 0..<2, found 2"
    ),
    (
      "{\"expert\": 1, \"device\": 0}", "{\"expert\": 0, \"device\": 0}",
      "p.json: layer 1: replica of expert 0: expected a device without that expert, found device 0, which holds it"
    ),
    (
      "{\"expert\": 2, \"device\": 0}, ", "",
      "p.json: layer 2: device 0: expected 3 experts, found 2"
    ),
  ])
  func filesWithWrongReplicasAreRefused(from: String, to: String, message: String) {
    let error = #expect(throws: PlacementError.self) {
      _ = try PlacementTests.read(Self.file.replacingOccurrences(of: from, with: to))
    }
    #expect(error?.description == message)
  }

  // MARK: Export

  @Test func exportsAreTheFormsOfTheEngines() throws {
    let placement = try PlacementTests.read(Self.file)
    #expect(
      try PlacementExport(placement, for: "eplb").json == """
        {
          "physical_to_logical_map": [
            [0, 3, 1, 1, 2, 3],
            [0, 1, 2, 2, 3, 0]
          ],
          "logical_to_physical_map": [
            [[0, -1], [2, 3], [4, -1], [1, 5]],
            [[0, 5], [1, -1], [2, 3], [4, -1]]
          ],
          "expert_count": [
            [1, 2, 1, 2],
            [2, 1, 2, 1]
          ]
        }

        """)
    // A row for layer 0 and layer 3, which have no experts: the engine's default order.
    #expect(
      try PlacementExport(placement, for: "sglang", modelLayers: 4).json == """
        {
          "physical_to_logical_map": [
            [0, 1, 2, 3, 0, 1],
            [0, 3, 1, 1, 2, 3],
            [0, 1, 2, 2, 3, 0],
            [0, 1, 2, 3, 0, 1]
          ]
        }

        """)
    #expect(
      try PlacementExport(placement, for: "vllm-ascend").json == """
        {
          "moe_layer_count": 2,
          "layer_list": [
            {"layer_id": 0, "device_count": 2, "device_list": [{"device_id": 0, "device_expert": [0, 3, 1]}, \
        {"device_id": 1, "device_expert": [1, 2, 3]}]},
            {"layer_id": 1, "device_count": 2, "device_list": [{"device_id": 0, "device_expert": [0, 1, 2]}, \
        {"device_id": 1, "device_expert": [2, 3, 0]}]}
          ]
        }

        """)
  }

  @Test(arguments: [
    ("sglang", 2, "--layers: expected at least 3, found 2"),
    (
      "vllm", nil,
      "--export: expected eplb, sglang or vllm-ascend, found 'vllm', which reads no map from a file in a released version; try "
        + "vllm-ascend on Ascend"
    ),
    (
      "megatron", nil,
      "--export: expected eplb, sglang or vllm-ascend, found 'megatron', which reads no map: its experts lie in the order of the "
        + "checkpoint; try exporting the model with its experts in placed order"
    ),
    ("tensorrt", nil, "--export: expected eplb, sglang or vllm-ascend, found 'tensorrt'"),
  ])
  func exportsThatCannotBeAreRefused(engine: String, layers: Int?, message: String) throws {
    let placement = try PlacementTests.read(Self.file)
    let error = #expect(throws: PlacementExportError.self) {
      _ = try PlacementExport(placement, for: engine, modelLayers: layers)
    }
    #expect(error?.description == message)
  }

  @Test func unevenDevicesCannotBeExported() throws {
    let text = PlacementTests.file.replacingOccurrences(of: "[1,0,1,0]", with: "[1,0,0,0]")
    let placement = try Placement(json: Data(text.utf8), file: "p.json", slack: true)
    #expect(throws: PlacementExportError.uneven(experts: 4, devices: 2)) {
      _ = try PlacementExport(placement, for: "eplb")
    }
  }

  @Test func aModelDoesNotFollowReplicas() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("replicas-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: path) }
    try Data(Self.file.utf8).write(to: path)
    #expect(throws: PlacementError.hasReplicas(file: path.path)) { _ = try Placement(path: path.path) }
    #expect(try Placement(path: path.path, replicas: true).replicasPerDevice == 1)
  }
}
