import Formats
import Foundation
import TestSupport
import Testing

@testable import Profiles
@testable import Routing

@Suite struct ProfileTests {
  static func accumulate(_ tokens: Int, limit: Int, pieces: Int = 1) -> LayerProfile {
    let p = randomProbabilities(tokens: tokens, experts: 8, seed: 4)
    var generator = SplitMix64(seed: 9)
    let logits = p.map { log($0) + Float(generator.below(100)) / 50 }
    let chosen = ranked(p)
    var accumulator = ProfileAccumulator(experts: 8, topK: 3, recordedLimit: limit, seed: 1)
    let size = tokens / pieces
    for piece in 0..<pieces {
      let range = piece * size..<(piece + 1) * size
      accumulator.add(
        layer: 5, topK: Array(chosen[range.lowerBound * 3..<range.upperBound * 3]),
        weights: chosen[range.lowerBound * 3..<range.upperBound * 3].map { Float($0) / 8 },
        logits: Array(logits[range.lowerBound * 8..<range.upperBound * 8]), documents: range.map { Int32($0) })
    }
    return accumulator.profile(modelType: "olmoe", data: "test").layers[0]
  }

  static func ranked(_ p: [Float]) -> [Int32] {
    stride(from: 0, to: p.count, by: 8).flatMap { row in
      (0..<8).sorted { p[row + $0] > p[row + $1] }.prefix(3).map { Int32($0) }
    }
  }

  @Test func countsEqualARecount() {
    let profile = Self.accumulate(200, limit: 1000)
    let chosen = Self.ranked(randomProbabilities(tokens: 200, experts: 8, seed: 4))
    for i in 0..<8 {
      for j in 0..<8 {
        let both = (0..<200).filter { token in
          let set = chosen[token * 3..<token * 3 + 3]
          return set.contains(Int32(i)) && set.contains(Int32(j))
        }.count
        #expect(profile.coactivation[i * 8 + j] == (i == j ? 0 : Int64(both)))
        if i == j { #expect(profile.load[i] == Int64(both)) }
      }
    }
    #expect(profile.tokens == 200 && profile.recorded == 200 && profile.layer == 5)
    let sets: [Int32] = (0..<200).flatMap { (token: Int) -> [Int32] in chosen[token * 3..<token * 3 + 3].sorted() }
    #expect(profile.sets == sets)
    let weights = sets.map { Float($0) / 8 }
    #expect(profile.weights == weights)  // weights follow their experts
    #expect(profile.collaboration.max() == 1)
    #expect(profile.collaboration[1] == Double(profile.coactivation[1]) / Double(profile.coactivation.max() ?? 0))
  }

  @Test func piecesGiveTheSameProfile() {
    #expect(Self.accumulate(200, limit: 50) == Self.accumulate(200, limit: 50, pieces: 8))
  }

  @Test func recordsAUniformSample() {
    let profile = Self.accumulate(4000, limit: 1000)
    #expect(profile.recorded == 1000 && profile.tokens == 4000)
    #expect(profile.documents == profile.documents.sorted() && Set(profile.documents).count == 1000)
    // Four quarters of 250 expected; five standard deviations are 68.
    for quarter in 0..<4 {
      let found = profile.documents.filter { Int($0) / 1000 == quarter }.count
      #expect(abs(found - 250) <= 68)
    }
    let chosen = Self.ranked(randomProbabilities(tokens: 4000, experts: 8, seed: 4))
    for (slot, document) in profile.documents.enumerated() {
      let token = Int(document) * 3
      let set = chosen[token..<token + 3].sorted()
      #expect(Array(profile.sets[slot * 3..<slot * 3 + 3]) == set)
    }
  }

  @Test func similarityEqualsItsDefinition() throws {
    let p = randomProbabilities(tokens: 200, experts: 8, seed: 4)
    var generator = SplitMix64(seed: 9)
    let logits = p.map { log($0) + Float(generator.below(100)) / 50 }
    let profile = Self.accumulate(200, limit: 10)
    let plain = (0..<8).map { expert in (0..<200).map { Double(logits[$0 * 8 + expert]) } }
    let means = (0..<200).map { token in plain.reduce(0.0) { $0 + $1[token] } / 8 }
    let centered = plain.map { series in zip(series, means).map { $0 - $1 } }
    func cosine(_ a: [Double], _ b: [Double]) -> Double {
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
    }
    let found = (try #require(profile.cosineSimilarity), try #require(profile.centeredSimilarity))
    for i in 0..<8 {
      for j in 0..<8 {
        #expect(abs(Double(found.0[i * 8 + j]) - cosine(plain[i], plain[j])) <= 1e-6)
        #expect(abs(Double(found.1[i * 8 + j]) - cosine(centered[i], centered[j])) <= 1e-6)
      }
    }
  }

  @Test func nonFiniteLogitsAreCountedAndLeftOut() throws {
    var accumulator = ProfileAccumulator(experts: 2, topK: 1)
    accumulator.add(
      layer: 0, topK: [0, 1, 0], weights: [1, 1, 1], logits: [1, 2, .nan, 1, 2, 4], documents: [0, 0, 0])
    let profile = accumulator.profile(modelType: nil, data: "").layers[0]
    #expect(accumulator.nonFiniteTokens(layer: 0) == 1 && profile.load == [2, 1])
    #expect(try #require(profile.cosineSimilarity).allSatisfy { abs($0 - 1) <= 1e-6 })  // (1, 2) and (2, 4)
  }
}
