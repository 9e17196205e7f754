import Foundation
import TestSupport
import Testing

@testable import Placements
@testable import Profiles
@testable import Routing

@Suite struct PlacementMethodTests {
  /// Six experts on three devices. Collaboration: 1–4: 9, 0–2: 5, 3–5: 4, 0–1: 3, 2–4: 2, 1–3: 1.
  static let coactivation: [Int64] = {
    var counts = [Int64](repeating: 0, count: 36)
    for (i, j, n) in [(1, 4, 9), (0, 2, 5), (3, 5, 4), (0, 1, 3), (2, 4, 2), (1, 3, 1)] as [(Int, Int, Int64)] {
      counts[i * 6 + j] = n
      counts[j * 6 + i] = n
    }
    return counts
  }()

  @Test func greedyByHand() {
    // Device 0: 1 and 4. Least with {1, 4}: 5 (0) starts device 1. With {1, 4, 5}: 0 has 3, 2 has 2, 3 has 5: 2 starts
    // device 2. Device 1 takes 3 (4 with 5), device 2 takes 0.
    #expect(PlacementMethod.greedy(Self.coactivation, experts: 6, devices: 3) == [2, 0, 2, 1, 0, 1])
    // Two devices: 1, 4 | 5 starts the other; device 0 takes 0 (3) over 2 (2) and 3 (1).
    #expect(PlacementMethod.greedy(Self.coactivation, experts: 6, devices: 2) == [0, 0, 1, 1, 0, 1])
    // One expert a device: any order is as good, and every device gets one.
    #expect(Set(PlacementMethod.greedy(Self.coactivation, experts: 6, devices: 6)).count == 6)
    #expect(PlacementMethod.greedy(Self.coactivation, experts: 6, devices: 1) == [0, 0, 0, 0, 0, 0])
  }

  @Test func greedyTiesGoToTheLowerExpert() {
    let even = [Int64](repeating: 1, count: 36)
    #expect(PlacementMethod.greedy(even, experts: 6, devices: 3) == [0, 0, 1, 2, 1, 2])
  }

  @Test func loadByHand() {
    // 9 → 0, 7 → 1, 5 → 1 (7 < 9) fills it, 1 → 0; ties to the lower device.
    #expect(PlacementMethod.balanced([1, 9, 5, 7], devices: 2) == [0, 0, 1, 1])
    #expect(PlacementMethod.balanced([3, 3, 3, 3], devices: 2) == [0, 1, 0, 1])
  }

  @Test(arguments: PlacementMethod.allCases)
  func everyMethodIsBalancedAndRepeatable(method: PlacementMethod) throws {
    let profile = clusteredProfile(tokens: 300, experts: 24, topK: 4, groups: 4, seed: 1)
    for devices in [1, 2, 4, 12, 24] {
      let placement = try method.place(profile, devices: devices)
      for device in 0..<devices { #expect(placement.filter { $0 == device }.count == 24 / devices) }
      #expect(try method.place(profile, devices: devices) == placement)
    }
    #expect(throws: PlacementError.devices(file: "place", experts: 24, found: 5)) {
      _ = try method.place(profile, devices: 5)
    }
  }

  @Test func randomDiffersByLayerAndSeed() {
    let first = PlacementMethod.random(experts: 16, devices: 4, seed: 0, layer: 0)
    #expect(first != PlacementMethod.random(experts: 16, devices: 4, seed: 0, layer: 1))
    #expect(first != PlacementMethod.random(experts: 16, devices: 4, seed: 1, layer: 0))
  }

  @Test(arguments: [UInt64(1), 2, 3], [1.05, 1.10, 1.5])
  func refinedIsNeverWorseThanItsStartsWithinTheCap(seed: UInt64, cap: Double) throws {
    let profile = clusteredProfile(tokens: 400, experts: 32, topK: 4, groups: 4, seed: seed)
    let options = PlacementOptions(seed: seed, loadCap: cap, proposals: 30_000)
    let refined = try Prediction(
      profile, placement: try PlacementMethod.refined.place(profile, devices: 4, options: options), devices: 4)
    #expect(refined.imbalance <= cap)
    for start in [PlacementMethod.contiguous, .occult, .spectral, .load] {
      let placed = try Prediction(profile, placement: try start.place(profile, devices: 4), devices: 4)
      if placed.imbalance <= cap { #expect(refined.devicesPerToken <= placed.devicesPerToken) }
    }
    let load = try Prediction(profile, placement: PlacementMethod.balanced(profile.load, devices: 4), devices: 4)
    #expect(refined.devicesPerToken < load.devicesPerToken)
  }

  @Test func refinedWithoutACapFindsTheClusters() throws {
    // Every token stays inside one residue class: the optimum is one device per token.
    let sets: [Int32] = (0..<120).flatMap { token in [0, 4, 8].map { Int32(token % 4 + $0) } }
    var accumulator = ProfileAccumulator(experts: 12, topK: 3)
    accumulator.add(
      layer: 0, topK: sets, weights: [Float](repeating: 1, count: 360), documents: [Int32](repeating: 0, count: 120))
    let profile = accumulator.profile(modelType: nil, data: "").layers[0]
    for cap in [nil, 1.0] {
      let outcome = try Refinement.place(profile, devices: 4, options: .init(loadCap: cap, proposals: 5000))
      #expect(outcome.deviceRows == 120)
      #expect(outcome.proposals <= 5000)
    }
  }

  /// One expert heavier than a device's share: no placement meets the cap, the evenest one sets it.
  @Test func refinedSurvivesAnImpossibleCap() throws {
    let sets: [Int32] = (0..<90).flatMap { [0, Int32(1 + $0 % 7)] }
    var accumulator = ProfileAccumulator(experts: 8, topK: 2)
    accumulator.add(
      layer: 0, topK: sets, weights: [Float](repeating: 1, count: 180), documents: [Int32](repeating: 0, count: 90))
    let profile = accumulator.profile(modelType: nil, data: "").layers[0]
    let refined = try PlacementMethod.refined.place(profile, devices: 4, options: .init(proposals: 2000))
    let load = PlacementMethod.balanced(profile.load, devices: 4)
    let heaviest = { (placement: [Int]) in Prediction.loads(profile.load, placement: placement, devices: 4).max() ?? 0 }
    #expect(heaviest(refined) <= heaviest(load))
    #expect(throws: PlacementError.loadCap(0.9)) {
      _ = try PlacementMethod.refined.place(profile, devices: 4, options: .init(loadCap: 0.9))
    }
  }

  @Test func predictionIsWhatTheCounterCounts() throws {
    let profile = clusteredProfile(tokens: 250, experts: 16, topK: 4, groups: 4, seed: 2)
    let placement = PlacementMethod.random(experts: 16, devices: 4, seed: 5, layer: 0)
    let predicted = try Prediction(profile, placement: placement, devices: 4)
    var counter = CommunicationCounter(devices: 4, topK: 4, placements: [placement], home: .expected)
    counter.add(layer: 0, chosen: profile.sets, used: profile.sets)
    let counted = counter.statistics()
    #expect(predicted.devicesPerToken == counted.devicesPerToken)
    #expect(abs(predicted.remoteCopies - counted.remoteCopies) <= 1e-12)
    #expect(predicted.intraShare == counted.intraShare)
    #expect(predicted.imbalance == counted.imbalanceRows)
  }
}
