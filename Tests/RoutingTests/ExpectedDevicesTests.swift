import Formats
import Foundation
import Testing

@testable import Placements
@testable import Routing

/// E[C_T] of a random draw against its definition: the sum over all k-subsets.
@Suite struct ExpectedDevicesTests {
  /// Σ_S P(S) · devices of S, straight from the definition, in double precision.
  private func byEnumeration(_ logits: [Double], _ placement: [Int], topK: Int, temperature: Double) -> Double {
    let peak = logits.max() ?? 0
    var (sum, total) = (0.0, 0.0)
    for subset in 0..<(1 << logits.count) where subset.nonzeroBitCount == topK {
      let members = logits.indices.filter { subset >> $0 & 1 == 1 }
      let weight = exp(members.reduce(0.0) { $0 + (logits[$1] - peak) / temperature })
      total += weight
      sum += weight * Double(Set(members.map { placement[$0] }).count)
    }
    return sum / total
  }

  private func logits(_ count: Int, seed: UInt64, scale: Double) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float((generator.uniform() * 2 - 1) * scale) }
  }

  private static let placements: [(devices: Int, topK: Int, placement: [Int])] = [
    (3, 3, [0, 1, 2, 0, 1, 2]), (4, 4, [3, 1, 0, 2, 2, 0, 1, 3, 3, 0, 1, 2]), (2, 1, [0, 0, 1, 1]),
    (1, 2, [0, 0, 0]), (2, 4, [1, 0, 0, 1]), (5, 2, [0, 1, 2, 3, 4]),
    (3, 2, [0, 0, 0, 1, 2, 2, 0]),  // groups of different sizes
    (3, 2, [0, 2, 2, 0]),  // a device without experts
  ]

  @Test(arguments: placements.indices, [0.25, 1.0]) func isTheSumOverAllSets(index: Int, temperature: Double) {
    let (devices, topK, placement) = Self.placements[index]
    let expected = ExpectedDevices(placement: placement, devices: devices, topK: topK, temperature: temperature)
    for seed in 0..<4 {
      let z = logits(placement.count, seed: UInt64(seed), scale: 3)
      let value = expected.evaluate(z).values[0]
      let reference = byEnumeration(z.map(Double.init), placement, topK: topK, temperature: temperature)
      #expect(abs(value - reference) <= 1e-12, "seed \(seed): \(value), by enumeration \(reference)")
    }
  }

  /// Central differences of the enumeration, Richardson-extrapolated: only the float32 of the gradient remains.
  @Test(arguments: placements.indices, [0.5, 1.0]) func gradientIsExact(index: Int, temperature: Double) {
    let (devices, topK, placement) = Self.placements[index]
    let expected = ExpectedDevices(placement: placement, devices: devices, topK: topK, temperature: temperature)
    let z = logits(placement.count, seed: 9, scale: 2)
    let gradient = expected.evaluate(z).gradient
    for expert in z.indices {
      func difference(_ h: Double) -> Double {
        let values = [h, -h].map { step in
          var moved = z.map(Double.init)
          moved[expert] += step
          return byEnumeration(moved, placement, topK: topK, temperature: temperature)
        }
        return (values[0] - values[1]) / (2 * h)
      }
      let reference = (4 * difference(1e-3) - difference(2e-3)) / 3
      #expect(
        abs(Double(gradient[expert]) - reference) <= 1e-9 + 1e-6 * abs(reference),
        "expert \(expert): \(gradient[expert]), by differences \(reference)")
    }
    #expect(abs(gradient.reduce(0) { $0 + Double($1) }) <= 1e-6, "a common offset changes nothing")
  }

  /// Equal logits are a uniform draw: 3.659 for 64 experts, k = 8, on 4 devices.
  @Test(arguments: [(64, 8, 4), (256, 8, 32), (16, 4, 4)]) func equalLogitsAreChance(
    _ experts: Int, topK: Int, devices: Int
  ) {
    let placement = PlacementMethod.contiguous(experts: experts, devices: devices)
    let expected = ExpectedDevices(placement: placement, devices: devices, topK: topK)
    let value = expected.evaluate([Float](repeating: 7, count: experts)).values[0]
    let chance = RandomExpectation.devicesPerToken(experts: experts, topK: topK, devices: devices)
    #expect(abs(value - chance) <= 1e-12 * chance)
  }

  /// Cold draws take the plain top-k: C_T as the counter has it.
  @Test func coldDrawsAreThePlainChoice() throws {
    let placement = PlacementMethod.contiguous(experts: 16, devices: 4)
    let rule = RoutingRule(experts: 16, topK: 4, selection: .greedy)
    let z = logits(16 * 50, seed: 4, scale: 4)
    var counter = CommunicationCounter(devices: 4, topK: 4, placements: [placement], home: .expected)
    let routed = rule.route(z.map { exp($0) })
    counter.add(layer: 0, chosen: routed.chosen, used: routed.used)
    let cold = ExpectedDevices(placement: placement, devices: 4, topK: 4, temperature: 1e-5).evaluate(z).values
    let mean = cold.reduce(0, +) / 50
    #expect(abs(mean - counter.statistics().devicesPerToken) <= 1e-9)
  }

  /// Logits far apart, alike or huge neither overflow nor lose the bounds; NaN is not hidden.
  @Test(
    arguments: [[1e4, -1e4, 1e4, 0, 0, -1e4], [3e38, 3e38, 3e38, 3e38, 3e38, 3e38], [-80, 80, 80, -80, 80, -80]]
      as [[Float]])
  func extremeLogits(z: [Float]) {
    let expected = ExpectedDevices(placement: [0, 0, 1, 1, 2, 2], devices: 3, topK: 3)
    let (values, gradient) = expected.evaluate(z)
    #expect((1...3).contains(values[0]) && gradient.allSatisfy(\.isFinite))
    var broken = z
    broken[2] = .nan
    #expect(expected.evaluate(broken).values[0].isNaN)
  }

  @Test func tokensDoNotTouchEachOther() {
    let expected = ExpectedDevices(placement: [0, 1, 0, 1, 1, 0], devices: 2, topK: 2)
    let rows = (0..<3).map { logits(6, seed: UInt64($0), scale: 2) }
    let together = expected.evaluate(rows.flatMap(\.self))
    for (index, row) in rows.enumerated() {
      let alone = expected.evaluate(row)
      #expect(together.values[index] == alone.values[0])
      #expect(Array(together.gradient[index * 6..<index * 6 + 6]) == alone.gradient)
    }
  }
}
