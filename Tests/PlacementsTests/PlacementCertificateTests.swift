import Formats
import Foundation
import TestSupport
import Testing

@testable import Placements
@testable import Profiles
@testable import Routing

@Suite struct PlacementCertificateTests {
  /// (E, k, D), small enough for exact search.
  static let shapes = [(8, 2, 2), (8, 3, 4), (12, 4, 3), (12, 3, 4), (16, 4, 2), (16, 2, 8)]

  @Test(arguments: [UInt64(1), 2, 3], [nil, 1.15] as [Double?])
  func boundIsBelowAndRefinedNearTheOptimum(seed: UInt64, cap: Double?) throws {
    for (experts, topK, devices) in Self.shapes {
      let profile = clusteredProfile(tokens: 120, experts: experts, topK: topK, groups: devices, seed: seed)
      let options = PlacementOptions(seed: seed, loadCap: cap)
      let outcome = try Refinement.place(profile, devices: devices, options: options)
      let found = Double(outcome.deviceRows) / 120
      let certificate = Placement.Certificate(
        profile, placement: outcome.placement, devices: devices, options: options)
      #expect(certificate.lowerBound <= found)
      #expect(abs(certificate.gap - (1 - certificate.lowerBound / found)) <= 1e-9)
      // The bound says something: more than the trivial ⌈k·D/E⌉.
      #expect(certificate.lowerBound > Double((topK * devices + experts - 1) / experts))
      guard let exact = ExactPlacement.place(profile, devices: devices, loadCap: cap) else { continue }
      #expect(certificate.lowerBound <= exact.devicesPerToken)
      #expect(exact.devicesPerToken <= found)
      #expect(found <= exact.devicesPerToken * 1.02)
    }
  }

  @Test func exactSearchIsExact() throws {
    // All 35 ways to halve eight experts.
    let profile = clusteredProfile(tokens: 90, experts: 8, topK: 3, groups: 2, seed: 4)
    var least = Int.max
    for mask in 0..<256 where mask.nonzeroBitCount == 4 {
      let placement = (0..<8).map { mask >> $0 & 1 }
      least = min(least, Prediction.deviceRows(profile.sets, topK: 3, placement: placement, devices: 2))
    }
    let exact = try #require(ExactPlacement.place(profile, devices: 2, loadCap: nil))
    #expect(exact.devicesPerToken == Double(least) / 90)
    #expect(Prediction.deviceRows(profile.sets, topK: 3, placement: exact.placement, devices: 2) == least)
    #expect(ExactPlacement.place(profile, devices: 2, loadCap: 1.0 - 1e-9) == nil)
  }

  /// With slack groups may differ: the bound must hold for them as well.
  @Test func boundHoldsWithSlack() throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let profile = clusteredProfile(tokens: 100, experts: 8, topK: 3, groups: 2, seed: seed)
      let options = PlacementOptions(loadCap: nil, slack: 1)
      let certificate = Placement.Certificate(
        profile, placement: PlacementMethod.contiguous(experts: 8, devices: 2), devices: 2, options: options)
      var least = Int.max
      for mask in 0..<256 where (3...5).contains(mask.nonzeroBitCount) {
        let placement = (0..<8).map { mask >> $0 & 1 }
        least = min(least, Prediction.deviceRows(profile.sets, topK: 3, placement: placement, devices: 2))
      }
      #expect(certificate.lowerBound <= Double(least) / 100)
      let outcome = try Refinement.place(profile, devices: 2, options: options)
      #expect(outcome.deviceRows == least)
    }
  }

  @Test func theFileCarriesIt() throws {
    let layer = clusteredProfile(tokens: 200, experts: 16, topK: 4, groups: 4, seed: 3)
    let profile = CollaborationProfile(modelType: nil, experts: 16, topK: 4, data: "test", layers: [layer])
    var options = PlacementOptions()
    #expect(try Placement(profile, devices: 4, method: .refined, options: options).layers[0].certificate == nil)
    options.certify = true
    let placement = try Placement(profile, devices: 4, method: .refined, options: options)
    let certificate = try #require(placement.layers[0].certificate)
    let predicted = try #require(placement.layers[0].predicted)
    #expect(certificate.lowerBound <= predicted.devicesPerToken && certificate.lowerBound > 1)
    #expect(try Placement(json: Data(placement.json.utf8), file: "p.json") == placement)
    #expect(placement.json.contains("\"lower_bound\""))
    let summary = try PlacementSummary(placement, method: .refined, profile: profile)
    #expect(summary.mean.certificate?.lowerBound == certificate.lowerBound)
  }

  @Test func eigenvaluesAndVectorsDecompose() {
    var generator = SplitMix64(seed: 5)
    for n in [1, 2, 3, 17] {
      var matrix = [Double](repeating: 0, count: n * n)
      for i in 0..<n {
        for j in 0...i {
          let value = generator.uniform() - 0.5
          (matrix[i * n + j], matrix[j * n + i]) = (value, value)
        }
      }
      let eigen = SymmetricEigen(matrix, order: n)
      #expect(eigen.values == eigen.values.sorted())
      for i in 0..<n {
        for j in 0..<n {
          let product = (0..<n).reduce(0.0) {
            $0 + eigen.vectors[i * n + $1] * eigen.values[$1] * eigen.vectors[j * n + $1]
          }
          #expect(abs(product - matrix[i * n + j]) <= 1e-13 * Double(n))
          let dot = (0..<n).reduce(0.0) { $0 + eigen.vectors[$1 * n + i] * eigen.vectors[$1 * n + j] }
          #expect(abs(dot - (i == j ? 1 : 0)) <= 1e-13 * Double(n))
        }
      }
    }
  }
}
