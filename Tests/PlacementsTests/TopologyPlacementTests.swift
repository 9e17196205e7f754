import Formats
import Foundation
import TestSupport
import Testing

@testable import Placements
@testable import Profiles
@testable import Routing

@Suite struct TopologyPlacementTests {
  static func cost(_ layer: LayerProfile, _ placement: [Int], devices: Int, nodes: Int, nodeCost: Double) throws
    -> Double
  {
    let device = try Prediction(layer, placement: placement, devices: devices)
    let node = try NodePrediction(layer, placement: placement, devices: devices, nodes: nodes)
    return device.devicesPerToken + nodeCost * node.nodesPerToken
  }

  @Test func costsKeptUpToDateEqualARecount() throws {
    let layer = clusteredProfile(tokens: 150, experts: 16, topK: 4, groups: 4, seed: 6)
    var search = TopologySearch(
      layer, placement: PlacementMethod.contiguous(experts: 16, devices: 8), devices: 8, nodes: 2, weights: (10, 35),
      caps: (.max / 4, 150 * 4 / 2))
    var generator = SplitMix64(seed: 1)
    for _ in 0..<80 {
      let (a, b) = (generator.below(16), generator.below(16))
      if search.placement[a] == search.placement[b] { continue }
      let (excess, relief) = (search.excess, search.excessChange(a, b))
      search.swap(a, b, change: search.change(a, b))
      #expect(search.excess == excess + relief)
      let counted = try Self.cost(layer, search.placement, devices: 8, nodes: 2, nodeCost: 3.5) * 10 * 150
      #expect(abs(Double(search.cost) - counted) <= 1e-6)
      #expect(search.loads == Prediction.loads(layer.load, placement: search.placement, devices: 8))
      let byNode = Prediction.loads(layer.load, placement: search.placement.map { $0 / 4 }, devices: 2)
      #expect(search.nodeLoads == byNode && search.excess == max(0, (byNode.max() ?? 0) - 300))
    }
  }

  /// With two nodes it costs no more than the search that knows no nodes, within the cap, and the same every time.
  @Test(arguments: [UInt64(1), 2, 3], [1.0, 8.0])
  func twoLevelsCostNoMoreThanOne(seed: UInt64, nodeCost: Double) throws {
    let layer = clusteredProfile(tokens: 400, experts: 32, topK: 4, groups: 4, seed: seed)
    let options = PlacementOptions(seed: seed, proposals: 40_000)
    let flat = try PlacementMethod.refined.place(layer, devices: 8, options: options)
    let placed = try PlacementMethod.refined.place(layer, nodes: 2, devices: 8, nodeCost: nodeCost, options: options)
    let cost = try Self.cost(layer, placed, devices: 8, nodes: 2, nodeCost: nodeCost)
    #expect(try cost <= Self.cost(layer, flat, devices: 8, nodes: 2, nodeCost: nodeCost) + 1e-9)
    #expect(try Prediction(layer, placement: placed, devices: 8).imbalance <= 1.10)
    for device in 0..<8 { #expect(placed.filter { $0 == device }.count == 4) }
    #expect(
      try PlacementMethod.refined.place(layer, nodes: 2, devices: 8, nodeCost: nodeCost, options: options) == placed)
  }

  /// Tokens that stay inside one of four classes, two of which fit a node: one node each, two devices each.
  @Test func clustersLargerThanADeviceStayOnANode() throws {
    let sets: [Int32] = (0..<200).flatMap { token -> [Int32] in
      let first = token / 4 % 8
      return [0, 1, 3].map { Int32(token % 4 + (first + $0) % 8 * 4) }.sorted()
    }
    var accumulator = ProfileAccumulator(experts: 32, topK: 3)
    accumulator.add(
      layer: 0, topK: sets, weights: [Float](repeating: 1, count: 600), documents: [Int32](repeating: 0, count: 200))
    let layer = accumulator.profile(modelType: nil, data: "").layers[0]
    let placed = try PlacementMethod.refined.place(
      layer, nodes: 2, devices: 8, options: .init(loadCap: 1.2, proposals: 100_000))
    #expect(try NodePrediction(layer, placement: placed, devices: 8, nodes: 2).nodesPerToken == 1)
    // At D = E there is nothing to gain on devices, but still on nodes.
    let alone = try PlacementMethod.refined.place(
      layer, nodes: 2, devices: 32, options: .init(loadCap: 1.2, proposals: 100_000))
    #expect(Set(alone).count == 32)
    #expect(try NodePrediction(layer, placement: alone, devices: 32, nodes: 2).nodesPerToken == 1)
  }

  /// One hot expert sets the cap of devices; nodes are still filled evenly.
  @Test func hotExpertsDoNotGatherOnANode() throws {
    let layer = clusteredProfile(tokens: 400, experts: 16, topK: 4, groups: 4, seed: 11)
    for devices in [8, 16] {
      let placed = try PlacementMethod.refined.place(
        layer, nodes: 2, devices: devices, nodeCost: 50, options: .init(proposals: 40_000))
      #expect(try NodePrediction(layer, placement: placed, devices: devices, nodes: 2).imbalance <= 1.10)
    }
  }

  @Test func nodesAndCostsThatCannotBeAreRefused() throws {
    let layer = clusteredProfile(tokens: 20, experts: 16, topK: 4, groups: 4, seed: 1)
    func message(nodes: Int, nodeCost: Double) -> String? {
      #expect(throws: PlacementError.self) {
        _ = try PlacementMethod.load.place(layer, nodes: nodes, devices: 8, nodeCost: nodeCost)
      }?.description
    }
    #expect(message(nodes: 3, nodeCost: 1) == "place: nodes: expected a divisor of 8 devices, found 3")
    #expect(message(nodes: 0, nodeCost: 1) == "place: nodes: expected a divisor of 8 devices, found 0")
    #expect(message(nodes: 2, nodeCost: -1) == "node_cost: expected a number in 0...1000000, found -1.0")
    #expect(throws: PlacementError.loadCap(0.9)) {
      _ = try PlacementMethod.refined.place(layer, nodes: 2, devices: 16, options: .init(loadCap: 0.9))
    }
    #expect(message(nodes: 2, nodeCost: .nan) == "node_cost: expected a number in 0...1000000, found nan")
  }

  @Test(arguments: PlacementMethod.allCases)
  func everyMethodKnowsNodes(method: PlacementMethod) throws {
    let layers = [2, 7].map { clusteredProfile(tokens: 200, experts: 16, topK: 4, groups: 4, seed: 3, layer: $0) }
    let profile = CollaborationProfile(modelType: "olmoe", experts: 16, topK: 4, data: "test", layers: layers)
    let placement = try Placement(
      profile, devices: 8, method: method, options: .init(proposals: 10_000), topology: .init(nodes: 2, replicas: 1))
    #expect(placement.nodes == 2 && placement.replicasPerDevice == 1)
    let node = try #require(placement.meanNodePrediction)
    #expect((1...2).contains(node.nodesPerToken) && node.remoteCopies == node.nodesPerToken / 2)
    let (before, after) = (placement.meanPredictionWithoutReplicas, placement.meanPrediction)
    #expect(try #require(after).devicesPerToken <= #require(before).devicesPerToken)
    // The file is the value.
    #expect(try PlacementTests.read(placement.json) == placement)
    #expect(try JSONDecoder().decode(Placement.self, from: JSONEncoder().encode(placement)) == placement)
    // Without nodes and replicas nothing changes.
    let plain = try Placement(
      profile, devices: 8, method: method, options: .init(proposals: 5000), topology: .init())
    #expect(try Placement(profile, devices: 8, method: method, options: .init(proposals: 5000)) == plain)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment["OCCULT_TIMING"] != nil))
  func timing() throws {
    for (experts, devices, nodes) in [(64, 8, 2), (256, 32, 4), (256, 256, 32)] {
      let layer = clusteredProfile(tokens: 100_000, experts: experts, topK: 8, groups: 16, seed: 1)
      let clock = ContinuousClock()
      let flat = try clock.measure { _ = try PlacementMethod.refined.place(layer, devices: devices) }
      let both = try clock.measure { _ = try PlacementMethod.refined.place(layer, nodes: nodes, devices: devices) }
      let placement = try PlacementMethod.refined.place(layer, devices: devices)
      let replicas = try clock.measure {
        let replicas = try Replica.choose(layer, placement: placement, devices: devices, each: 1)
        _ = Covers(layer, placement: placement, replicas: replicas, devices: devices, nodes: nodes)
      }
      print("place", experts, devices, nodes, "flat", flat, "two levels", both, "replicas", replicas)
    }
  }
}
