import TestSupport
import Testing

@testable import Placements
@testable import Profiles

@Suite struct NullModelTests {
  static func layer(_ sets: [[Int32]], experts: Int, documents: [Int32]? = nil) -> LayerProfile {
    var accumulator = ProfileAccumulator(experts: experts, topK: sets[0].count)
    accumulator.add(
      layer: 0, topK: sets.flatMap { $0 }, weights: [], documents: documents ?? sets.map { _ in 0 })
    return accumulator.profile(modelType: nil, data: "test").layers[0]
  }

  /// Loads and k stay exactly, sets stay sets, and nothing but chance decides who meets whom.
  @Test func keepsDegreesAndNothingElse() {
    let layer = clusteredProfile(tokens: 3000, experts: 16, topK: 4, groups: 4, seed: 3)
    let draw = NullModel.draw(layer, seed: 1, item: 0)
    #expect(draw.load == layer.load && draw.recorded == layer.recorded)
    for start in stride(from: 0, to: draw.sets.count, by: 4) {
      let set = draw.sets[start..<start + 4]
      #expect(zip(set, set.dropFirst()).allSatisfy { $0 < $1 })
    }
    #expect(draw == NullModel.draw(layer, seed: 1, item: 0) && draw != NullModel.draw(layer, seed: 1, item: 1))
    // Tokens keep to their group of experts before; after, pairs come as loads make them.
    let again = NullModel.draw(layer, seed: 1, item: 1)
    let chance = SplitHalf.correlation(draw, again)
    #expect(chance > 0.9 && SplitHalf.correlation(layer, draw) < chance - 0.2)
  }

  /// All graphs of a small case come equally often: three tokens with two experts each, loads 2, 2, 1, 1.
  @Test func drawsAreUniform() {
    let layer = Self.layer([[0, 1], [0, 1], [2, 3]], experts: 4)
    var possible: Set<[Int32]> = []
    let pairs: [[Int32]] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    for a in pairs {
      for b in pairs {
        for c in pairs {
          let sets = a + b + c
          if (0..<4).map({ id in sets.filter { $0 == id }.count }) == [2, 2, 1, 1] { possible.insert(sets) }
        }
      }
    }
    #expect(possible.count == 15)
    var counts: [[Int32]: Int] = [:]
    let draws = 6000
    for item in 0..<draws { counts[NullModel.draw(layer, seed: 5, item: item).sets, default: 0] += 1 }
    #expect(Set(counts.keys) == possible)
    let expected = Double(draws) / 15
    let chi = counts.values.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    #expect(chi < 36.1)  // χ² of 14 degrees of freedom, 0.999
  }

  @Test func structureIsWhatChanceDoesNotGain() throws {
    let options = AnalysisOptions(
      devices: 4, placement: .init(loadCap: nil, proposals: 5000), nullDraws: 8, nullTokens: 1500)
    let layer = clusteredProfile(tokens: 3000, experts: 16, topK: 4, groups: 4, seed: 3)
    let real = try NullComparison(layer, options)
    #expect(real.draws == 8 && real.tokens == 1500)
    #expect(real.structuralGain.mean > 0.1 && real.structuralGain.low <= real.structuralGain.high)
    #expect(abs(real.structuralGain.mean - (real.gain - real.nullGain.mean)) <= 1e-12)
    #expect(real.structuralGain.deviation > 0 && real.devicesPerToken.mean < real.contiguous.mean)
    let chance = try NullComparison(NullModel.draw(layer.sample(1500), seed: 77, item: 0), options)
    #expect(abs(chance.structuralGain.mean) <= 4 * chance.structuralGain.deviation)
    #expect(throws: PlacementError.devices(file: "place", experts: 16, found: 3)) {
      _ = try NullComparison(layer, AnalysisOptions(devices: 3))
    }
  }

  @Test func spreadsAreMeanAndSampleDeviation() {
    let spread = Spread([1, 2, 3, 6])
    #expect(spread.mean == 3 && spread.low == 1 && spread.high == 6)
    #expect(abs(spread.deviation - (14.0 / 3).squareRoot()) <= 1e-12)
    #expect(Spread([2]).deviation == 0)
  }
}
