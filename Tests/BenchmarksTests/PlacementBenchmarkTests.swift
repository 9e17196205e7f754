import Formats
import Profiles
import Routing
import Testing

@testable import Benchmarks

@Suite struct PlacementBenchmarkTests {
  /// Sets of two experts, in this order.
  static func profile(_ sets: [[Int32]], experts: Int, documents: [Int32]? = nil) -> LayerProfile {
    var accumulator = ProfileAccumulator(experts: experts, topK: 2, recordedLimit: sets.count)
    accumulator.add(
      layer: 0, topK: sets.flatMap { $0 }, weights: [Float](repeating: 0.5, count: 2 * sets.count),
      documents: documents ?? [Int32](repeating: 0, count: sets.count))
    return accumulator.profile(modelType: nil, data: "").layers[0]
  }

  @Test func heldOutTrafficByHand() {
    let profile = Self.profile([[0, 1], [0, 2], [2, 3], [0, 3], [0, 1], [0, 1]], experts: 4)
    let traffic = HeldOutTraffic(
      profile, blocks: [[2, 3], [4, 5]], novel: [false, false, true, true, false, false], placement: [0, 0, 1, 1],
      devices: 2, step: PlacementStep())
    #expect(traffic.blocks.map(\.tokens) == [2, 2])
    #expect(traffic.blocks.map(\.deviceRows) == [3, 2])
    #expect(traffic.blocks.map(\.novelTokens) == [2, 0])
    #expect(traffic.value(.devicesPerToken) == 1.25)
    #expect(traffic.value(.devicesPerToken, [1, 1]) == 1)
    #expect(traffic.value(.novel) == 1.5)
    // No novel set in the second block: no figure, rather than 0.
    #expect(traffic.value(.novel, [1]).isNaN)
    // Device 0 has five of eight rows: experts 0; 0, 1; 0, 1.
    #expect(traffic.imbalance == 1.25)
    // Second block, everything on device 0 of 2, per token of the group, by hand: two exchanges of
    // latency + 1 peer + T · 1 copy · H · 2 bytes, and T · (2 · 2 rows · 6HI + 8HH) operations.
    let (tokens, hidden, intermediate) = (4096.0, 2048.0, 1024.0)
    let exchange = 30e-6 + 2e-6 + tokens * hidden * 2 / 20e9
    let compute = tokens * (2 * 2 * 6 * hidden * intermediate + 8 * hidden * hidden) / 62e12
    let expected = (2 * exchange + compute) / (tokens * 2)
    #expect(abs(traffic.value(.time, [1]) - expected) <= 1e-12 * expected)
  }

  @Test func intervalOfADifference() {
    let profile = Self.profile([[0, 1], [0, 2], [2, 3], [0, 3], [0, 1], [0, 1]], experts: 4)
    func traffic(_ placement: [Int]) -> HeldOutTraffic {
      HeldOutTraffic(
        profile, blocks: [[0, 1], [2, 3], [4, 5]], novel: [Bool](repeating: false, count: 6), placement: placement,
        devices: 2, step: PlacementStep())
    }
    let (good, bad) = (traffic([0, 0, 1, 1]), traffic([0, 1, 1, 0]))
    #expect(good.difference(.devicesPerToken, from: good, seed: 1) == 0...0)
    // By block: 3 − 4, 3 − 3, 2 − 4 rows of two tokens.
    let interval = good.difference(.devicesPerToken, from: bad, seed: 1)
    #expect(interval.lowerBound >= -1 && interval.upperBound <= 0 && interval.contains(-0.5))
    #expect(interval == good.difference(.devicesPerToken, from: bad, seed: 1))
    // No set is novel: nothing to compare.
    #expect(good.difference(.novel, from: bad, seed: 1) == 0...0)
  }

  @Test func theNullModelKeepsLoadsAndHasNoRivals() throws {
    var generator = SplitMix64(seed: 3)
    let sets = (0..<1000).map { _ -> [Int32] in
      let group = Int32(generator.below(2) * 4)
      let first = Int32(generator.below(4))
      return [group + first, group + (first + 1) % 4].sorted()
    }
    let profile = Self.profile(sets, experts: 8)
    var benchmark = PlacementBenchmark()
    benchmark.metis = nil
    let real = try benchmark.run(profile, data: "a", devices: 2)
    let null = try benchmark.run(profile, data: "a", devices: 2, nullModel: true)
    #expect(real.map(\.method) == ["contiguous", "load", "occult", "spectral", "refined", "refined capped"])
    #expect(null.map(\.method) == ["contiguous", "occult", "refined"])
    #expect(null.allSatisfy { $0.nullModel && $0.refinedAtEqualImbalance == nil })
    // Groups of four never mix; by chance most sets are split.
    #expect(real.first { $0.method == "refined" }?.heldOut == 1)
    #expect(null.first { $0.method == "refined" }?.heldOut ?? .nan > 1.4)
    #expect(PlacementBars(real + null) == PlacementBars(real))
  }

  @Test func whatMetisReadsAndWrites() {
    // 0–1 three times, 1–2 once.
    let coactivation: [Int64] = [0, 3, 0, 3, 0, 1, 0, 1, 0]
    #expect(MetisPeer.graph(coactivation, experts: 3) == "3 2 001\n2 3\n1 3 3 1\n2 1\n")
    #expect(MetisPeer.parts("1\n0\n1\n", experts: 3, devices: 2) == [1, 0, 1])
    for bad in ["1\n0\n", "1\n0\n2\n", "1\n0\n-1\n", "1\n0\nx\n", "1\n0\nx\n1\n", ""] {
      #expect(MetisPeer.parts(bad, experts: 3, devices: 2) == nil)
    }
    // Expert 2 belongs least to the group of three.
    let four: [Int64] = [0, 5, 1, 0, 5, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0]
    #expect(MetisPeer.equal([0, 0, 0, 1], four, devices: 2) == [0, 0, 1, 1])
  }
}
