import TestSupport
import Testing

@testable import Placements
@testable import Profiles

@Suite struct RefinementTests {
  @Test func countOfProposalsRepeatsASearchThatAClockEnded() throws {
    let profile = clusteredProfile(tokens: 300, experts: 16, topK: 4, groups: 4, seed: 2)
    var rounds = 0
    let ended = try Refinement.place(profile, devices: 4, options: .init()) {
      rounds += 1
      return rounds == 3
    }
    #expect(ended.proposals > 0 && ended.proposals % Refinement.round(experts: 16) == 0)
    #expect(try Refinement.place(profile, devices: 4, options: .init(proposals: ended.proposals)) == ended)
    let count = try PlacementMethod.proposals(profile, devices: 4, options: .init(proposals: 7)) { true }
    #expect(count == Refinement.judgedRounds * Refinement.round(experts: 16))
  }

  @Test func slackHelpsAndStaysWithinBounds() throws {
    // Five experts always together, three others: equal halves must part them.
    let sets: [Int32] = (0..<60).flatMap { $0 % 3 < 2 ? [0, 1, 2, 3, 4] : [1, 5, 6, 7, 2] }.map { $0 }
    var accumulator = ProfileAccumulator(experts: 8, topK: 5)
    accumulator.add(
      layer: 0, topK: sets.chunked(5).flatMap { $0.sorted() }, weights: [Float](repeating: 1, count: 300),
      documents: [Int32](repeating: 0, count: 60))
    let profile = accumulator.profile(modelType: nil, data: "").layers[0]
    let equal = try Refinement.place(profile, devices: 2, options: .init(loadCap: nil))
    let free = try Refinement.place(profile, devices: 2, options: .init(loadCap: nil, slack: 1))
    #expect(equal.deviceRows == 120 && free.deviceRows == 80)
    let layers = CollaborationProfile(modelType: nil, experts: 8, topK: 5, data: "", layers: [profile])
    let placement = try Placement(layers, devices: 2, method: .refined, options: .init(loadCap: nil, slack: 1))
    #expect(Set(placement.layers[0].expertDevice.prefix(5)).count == 1)
  }

  @Test func halvesGoByDocumentOrByBlock() throws {
    #expect(Refinement.halves([0, 0, 0]) == nil)
    let blocks = try #require(Refinement.halves([Int32](repeating: 7, count: 500)))
    #expect(blocks.0 == Array(0..<200) + Array(400..<500) && blocks.1 == Array(200..<400))
    let documents = try #require(Refinement.halves((0..<20).map { Int32($0 / 2) }))
    #expect(documents.0 == [0, 1, 4, 5, 8, 9, 12, 13, 16, 17])
    #expect(documents.1.count == 10)
  }

  @Test func spectralFindsThePlantedGroups() {
    let profile = clusteredProfile(tokens: 800, experts: 24, topK: 4, groups: 4, seed: 9)
    let placement = PlacementMethod.spectral(profile.coactivation, experts: 24, devices: 4, seed: 0)
    for expert in 0..<24 { #expect(placement[expert] == placement[expert % 4]) }
    // An expert that never works stays placeable.
    let idle = PlacementMethod.spectral([Int64](repeating: 0, count: 36), experts: 6, devices: 3, seed: 0)
    #expect((0..<3).allSatisfy { device in idle.count { $0 == device } == 2 })
  }

  @Test func frontierFallsAsTheCapRises() throws {
    let layer = clusteredProfile(tokens: 300, experts: 16, topK: 4, groups: 4, seed: 2)
    let profile = CollaborationProfile(modelType: nil, experts: 16, topK: 4, data: "", layers: [layer])
    let points = try PlacementFrontier(profile, devices: 4, options: .init()).points
    #expect(points.map(\.loadCap) == PlacementFrontier.caps)
    #expect(
      zip(points, points.dropFirst()).allSatisfy {
        $1.predicted.devicesPerToken <= $0.predicted.devicesPerToken + 0.02
      })
    for point in points { if let cap = point.loadCap { #expect(point.worstImbalance <= max(cap, 1.1)) } }
  }
}

extension Array {
  fileprivate func chunked(_ size: Int) -> [[Element]] {
    stride(from: 0, to: count, by: size).map { Array(self[$0..<Swift.min($0 + size, count)]) }
  }
}
