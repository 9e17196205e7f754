import Foundation
import TestSupport
import Testing

@testable import Placements
@testable import Profiles
@testable import Routing

@Suite struct ProfileAnalysisTests {
  /// The sets of a layer again, as `documents` documents of equal length.
  static func divided(_ layer: LayerProfile, documents: Int) -> LayerProfile {
    layer.recounted(
      sets: layer.sets, weights: [],
      documents: (0..<layer.recorded).map { Int32($0 * documents / layer.recorded) })
  }

  static let options = AnalysisOptions(
    devices: 4, placement: .init(proposals: 5000), nullDraws: 2, nullTokens: 500, stepTokens: 300)

  @Test func entropiesAreNormalised() throws {
    var accumulator = ProfileAccumulator(experts: 4, topK: 2)
    accumulator.add(layer: 0, topK: [0, 1, 0, 1], weights: [0.5, 0.5, 0.9, 0], documents: [0, 0])
    let layer = accumulator.profile(modelType: nil, data: "").layers[0]
    #expect(abs(layer.loadEntropy - 0.5) <= 1e-12)  // ln 2 / ln 4
    #expect(abs(try #require(layer.routingEntropy) - 0.5) <= 1e-12)  // 1 and 0
    #expect(NullModelTests.layer([[0, 1], [2, 3]], experts: 4).loadEntropy == 1)
    #expect(NullModelTests.layer([[0, 1], [2, 3]], experts: 4).routingEntropy == nil)
  }

  /// Two steps of two tokens, by hand.
  @Test func figuresAreMeansOverSteps() {
    let layer = NullModelTests.layer([[0, 1], [0, 2], [2, 3], [0, 3], [1, 3]], experts: 4)
    let figures = CommunicationStatistics(layer, placement: [0, 0, 1, 1], devices: 2, stepTokens: 2)
    // Steps of 2 and 3 tokens: rows 3 and 1, then 2 and 4; device rows 2 and 1, then 2 and 3.
    #expect(figures.tokens == 5 && figures.devicesPerToken == 8.0 / 5 && figures.remoteCopies == 4.0 / 5)
    #expect(abs(figures.imbalanceRows - (1.5 + 4.0 / 3) / 2) <= 1e-12)
    #expect(abs(figures.imbalanceWire - (4.0 / 3 + 6.0 / 5) / 2) <= 1e-12)
    #expect(figures.intraShare == 2.0 / 5 && figures.expected)
  }

  @Test func unitsAreDocumentsOrBlocks() {
    let sets = (0..<900).map { _ in [Int32(0), 1] }
    // Requests served side by side: tokens of a document are apart.
    let mixed = NullModelTests.layer(sets, experts: 2, documents: (0..<900).map { Int32($0 % 9) })
    #expect(mixed.units.count == 9 && mixed.units[4].prefix(2) == [4, 13])
    let few = NullModelTests.layer(sets, experts: 2, documents: (0..<900).map { Int32($0 / 450) })
    #expect(few.units.map(\.count) == [225, 225, 225, 225])
    #expect(
      few.part([few.units[3], few.units[0]]).documents == [Int32](repeating: 0, count: 225)
        + [Int32](repeating: 1, count: 225))
  }

  @Test func halvesAgreeWhereThereIsStructure() throws {
    let layer = Self.divided(clusteredProfile(tokens: 6000, experts: 16, topK: 4, groups: 4, seed: 3), documents: 30)
    let halves = try #require(try SplitHalf(layer, Self.options))
    #expect(halves.units == 30 && halves.correlation > 0.95)
    #expect(try #require(halves.agreement) > 0.9 && halves.inSample < halves.contiguous)
    #expect(
      abs(halves.contiguous - layer.devicesPerToken(PlacementMethod.contiguous(experts: 16, devices: 4), devices: 4))
        <= 1e-9)
    // Forty tokens of noise: what one half seems to gain is not there on the other.
    let noise = Self.divided(NullModel.draw(layer.sample(40), seed: 9, item: 0), documents: 20)
    let apart = try #require(try SplitHalf(noise, Self.options))
    #expect(try #require(apart.agreement) < 0.7)
    #expect(try SplitHalf(NullModelTests.layer([[0, 1]], experts: 4), Self.options) == nil)
  }

  @Test func theCurveTellsWhenToStop() throws {
    let layer = Self.divided(clusteredProfile(tokens: 20_000, experts: 16, topK: 4, groups: 4, seed: 3), documents: 80)
    let curve = try #require(try LearningCurve(layer, Self.options))
    #expect(curve.heldOutTokens == 5000 && curve.points.map(\.tokens) == [938, 1875, 3750, 7500, 15_000])
    #expect(curve.verdict == .enough && curve.lastDoublingLow <= curve.lastDoublingHigh)
    let last = curve.points[4]
    #expect(last.heldOut < curve.contiguous && last.inSample < curve.contiguous)
    let little = try #require(try LearningCurve(Self.divided(layer.sample(160), documents: 16), Self.options))
    #expect(little.verdict == .more && little.remainingHigh > 0.01)
    #expect(try LearningCurve(Self.divided(layer.sample(1000), documents: 5), Self.options) == nil)
  }

  /// Two units of 2 and 4 tokens: m = 5/6, residuals 4/3 and −4/3.
  @Test func intervalsGoByUnit() {
    let mean = UnitMean([(3, 2), (2, 4)])
    #expect(abs(mean.mean - 5.0 / 6) <= 1e-12)
    #expect(abs(mean.margin - 1.96 * (2 * 2 * 16.0 / 9).squareRoot() / 6) <= 1e-12)
    #expect(UnitMean([(3, 2)]).margin == .infinity)
  }

  @Test func analysesEveryLayerTheSameInAnyOrder() throws {
    let layers = (0..<3).map {
      clusteredProfile(tokens: 2000, experts: 16, topK: 4, groups: 4, seed: UInt64($0), layer: $0)
    }
    let profile = CollaborationProfile(modelType: nil, experts: 16, topK: 4, data: "test", layers: layers)
    let analysis = try ProfileAnalysis(profile, Self.options)
    let reversed = try ProfileAnalysis(profile, Self.options) { count, task in
      for index in (0..<count).reversed() { task(index) }
    }
    #expect(analysis == reversed && analysis.layers.map(\.layer) == [0, 1, 2])
    for (layer, source) in zip(analysis.layers, layers) {
      let expected = try Prediction(source, placement: layer.expertDevice, devices: 4)
      #expect(
        layer.placed.devicesPerToken == expected.devicesPerToken && layer.placed.intraShare == expected.intraShare)
      #expect(layer.learningCurve?.points.count == 5 && layer.splitHalf != nil && layer.null?.draws == 2)
    }
    let text = String(decoding: try JSONEncoder().encode(analysis), as: UTF8.self)
    for key in ["\"structural_gain\"", "\"held_out\"", "\"load_entropy\"", "\"verdict\":\"enough\"", "\"agreement\""] {
      #expect(text.contains(key))
    }
    let loads = CollaborationProfile(
      modelType: nil, experts: 4, topK: 2, data: "loads",
      layers: [
        LayerProfile(
          layer: 7, experts: 4, topK: 2, tokens: 4, coactivation: [Int64](repeating: 0, count: 16), load: [2, 2, 2, 2],
          sets: [], weights: [], documents: [])
      ])
    #expect(throws: PlacementError.noRecordedSets(layer: 7)) {
      _ = try ProfileAnalysis(loads, AnalysisOptions(devices: 2))
    }
  }

  static func profile(seed: UInt64, groups: Int = 4, experts: Int = 16, modelType: String? = nil)
    -> CollaborationProfile
  {
    let layer = divided(
      clusteredProfile(tokens: 3000, experts: experts, topK: 4, groups: groups, seed: seed), documents: 15)
    return CollaborationProfile(modelType: modelType, experts: experts, topK: 4, data: "test", layers: [layer])
  }

  @Test func placementsTransferBetweenTextsOfOneKind() throws {
    let (a, b, other) = (Self.profile(seed: 1), Self.profile(seed: 2), Self.profile(seed: 3, groups: 3))
    let same = try ProfileTransfer(a, a, Self.options).layers[0]
    #expect(same.onFirst.kept == 1 && same.onSecond.kept == 1 && same.loadShift == 0)
    #expect(abs(same.correlation - 1) <= 1e-12)
    let near = try ProfileTransfer(a, b, Self.options).layers[0]
    #expect(try #require(near.onFirst.kept) > 0.9 && #require(near.onSecond.kept) > 0.9)
    let far = try ProfileTransfer(a, other, Self.options).layers[0]
    #expect(
      try #require(far.onSecond.kept) < 0.8 && far.correlation < near.correlation && far.loadShift > near.loadShift)
    let transferred = try Self.options.method.place(a.layers[0], devices: 4, options: Self.options.placement)
    #expect(
      far.onSecond.transferred.devicesPerToken
        == (try Prediction(other.layers[0], placement: transferred, devices: 4)).devicesPerToken)
  }

  @Test func driftIsPairedWhereTheTextIsTheSame() throws {
    let (before, other) = (Self.profile(seed: 1), Self.profile(seed: 2))
    let placement = try Placement(before, devices: 4, method: .occult)
    let none = try PlacementDrift(placement, before: before, after: before).layers[0]
    #expect(none.change == 0 && none.low == 0 && none.high == 0 && none.sameExperts == 1)
    // Same documents: the second profile stands for the model after training. Every tenth token is routed elsewhere.
    var sets = before.layers[0].sets
    for token in stride(from: 0, to: 3000, by: 10) {
      sets.replaceSubrange(token * 4..<token * 4 + 4, with: [0, 5, 10, 15])
    }
    let layer = before.layers[0].recounted(sets: sets, weights: [], documents: before.layers[0].documents)
    let after = CollaborationProfile(modelType: nil, experts: 16, topK: 4, data: "after", layers: [layer])
    let drift = try PlacementDrift(placement, before: before, after: after).layers[0]
    #expect(abs(drift.change - (drift.after.devicesPerToken - drift.before.devicesPerToken)) <= 1e-12)
    #expect(drift.change > 0 && drift.low > 0 && drift.low < drift.change && drift.change < drift.high)
    #expect(try #require(drift.sameExperts) > 0.9 && #require(drift.sameExperts) < 1)
    // Other text: not paired, and a wider interval.
    let apart = CollaborationProfile(
      modelType: nil, experts: 16, topK: 4, data: "x", layers: [Self.divided(other.layers[0], documents: 14)])
    let unpaired = try PlacementDrift(placement, before: before, after: apart).layers[0]
    #expect(unpaired.sameExperts == nil && unpaired.high - unpaired.low > drift.high - drift.low)
  }

  @Test func profilesOfTwoModelsAreRefused() throws {
    func message(_ first: CollaborationProfile, _ second: CollaborationProfile) -> String {
      do throws(ProfileMismatch) {
        _ = try ProfileTransfer(first, second, Self.options)
        return "no error"
      } catch { return error.description }
    }
    let profile = Self.profile(seed: 1, modelType: "olmoe")
    let advice = "; try profiles of one model"
    #expect(
      message(profile, Self.profile(seed: 1, modelType: "mixtral"))
        == "model_type: expected olmoe as in the first profile, found mixtral" + advice)
    #expect(
      message(profile, Self.profile(seed: 1, experts: 20)) == "experts: expected 16 as in the first profile, found 20"
        + advice)
    let moved = clusteredProfile(tokens: 300, experts: 16, topK: 4, groups: 4, seed: 1, layer: 2)
    #expect(
      message(profile, CollaborationProfile(modelType: nil, experts: 16, topK: 4, data: "", layers: [moved]))
        == "layers: expected [0] as in the first profile, found [2]" + advice)
    let placement = try Placement(Self.profile(seed: 1, experts: 20), devices: 4, method: .load)
    #expect(throws: ProfileMismatch.placement(.model(file: "placement", expected: 16, found: 20))) {
      _ = try PlacementDrift(placement, before: profile, after: profile)
    }
  }
}
