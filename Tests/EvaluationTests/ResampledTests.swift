import Formats
import Routing
import Foundation
import Testing

@testable import Evaluation

/// Intervals and margins against simulation: how often they cover, how often they are wrong.
struct ResampledTests {
  static func normal(_ random: inout SplitMix64) -> Double {
    (-2 * log(1 - random.uniform())).squareRoot() * cos(2 * .pi * random.uniform())
  }

  /// A figure measured on `documents` and `seeds` whose true mean is `mean`.
  static func figure(
    _ mean: Double, seeds: Int, documents: Int, ofSeeds: Double, ofDocuments: Double, draws: Int = 200,
    _ random: inout SplitMix64
  ) -> Resampled {
    let shifts = (0..<seeds).map { _ in seeds == 1 ? 0 : ofSeeds * normal(&random) }
    let hardness = (0..<documents).map { _ in ofDocuments * normal(&random) }
    let values = shifts.map { shift in hardness.map { mean + shift + $0 + 0.1 * normal(&random) } }
    let losses = values.map { $0.reduce(0, +) / Double(documents) }
    return Resampled(
      value: losses.reduce(0, +) / Double(seeds),
      draws: Bootstrap(draws: draws).resample(values, weights: [Double](repeating: 1, count: documents)), seeds: losses)
  }

  /// 95 % intervals cover the truth in 95 % of studies: with one seed, and with few seeds that differ much, a little or
  /// not at all. 300 studies know that to 1.3 %. Without the correction and the stretch, three seeds that differ much
  /// would be covered in 75 %.
  @Test(arguments: [(1, 30, 0.0, 1.0), (3, 25, 1, 0.5), (3, 25, 0.2, 1), (5, 25, 1, 1), (4, 25, 0, 1)])
  func intervalsCover(seeds: Int, documents: Int, ofSeeds: Double, ofDocuments: Double) {
    var random = SplitMix64(seed: 11)
    let studies = 300
    let covered = (0..<studies).count { _ in
      Self.figure(
        2, seeds: seeds, documents: documents, ofSeeds: ofSeeds, ofDocuments: ofDocuments, &random
      ).interval.contains(2)
    }
    let share = Double(covered) / Double(studies)
    #expect((0.905...0.985).contains(share), "\(share)")
  }

  /// A difference of 0 gets p < 0.05 in 5 % of studies.
  @Test(arguments: [(1, 30), (3, 25)])
  func testsKeepTheirLevel(seeds: Int, documents: Int) {
    var random = SplitMix64(seed: 12)
    let alarms = (0..<300).count { _ in
      Self.figure(0, seeds: seeds, documents: documents, ofSeeds: 0.5, ofDocuments: 1, &random).pValue < 0.05
    }
    #expect((0.015...0.095).contains(Double(alarms) / 300), "\(alarms)")
  }

  @Test func aFigureWithoutSpreadHasNoDoubt() {
    let zero = Resampled(value: 0, draws: [0, 0, 0], seeds: [0])
    let one = Resampled(value: 1, draws: [1, 1, 1], seeds: [1, 1])
    #expect(zero.pValue == 1 && one.pValue == 0 && one.degrees == .infinity)
    #expect(one.interval == Interval(low: 1, high: 1) && one.upper == 1 && one.lower == 1)
  }

  /// One run beside several: it stands for itself in every seed.
  @Test func oneSeedIsPairedWithAll() {
    let several = Resampled(value: 2, draws: [1, 3], seeds: [1, 3])
    let one = Resampled(value: 1, draws: [0, 2], seeds: [1])
    let difference = several - one
    #expect(difference.value == 1 && difference.draws == [1, 1] && difference.seeds == [0, 2])
    #expect((2 * several).seeds == [2, 6] && (several + one).draws == [1, 5])
  }

  /// A run that is worse by exactly the margin is called non-inferior in 5 % of studies, one as good as standard
  /// mostly.
  @Test(arguments: [(0.1, 0.0...0.09), (0.0, 0.75...1.0), (0.25, 0.0...0.0)])
  func marginsKeepTheirLevel(harm: Double, expected: ClosedRange<Double>) {
    var random = SplitMix64(seed: 13)
    let shown = (0..<200).count { _ in
      let documents = 60
      var (harms, gains): ([Double], [Double]) = ([], [])
      for _ in 0..<documents {
        harms.append(harm + 0.25 * Self.normal(&random))
        gains.append(1 + 0.5 * Self.normal(&random))
      }
      func figure(_ values: [Double]) -> Resampled {
        let mean = values.reduce(0, +) / Double(documents)
        return Resampled(
          value: mean,
          draws: Bootstrap(draws: 200).resample([values], weights: [Double](repeating: 1, count: documents)),
          seeds: [mean])
      }
      let statement = NonInferiority(harm: figure(harms), gain: figure(gains), margin: .standard)
      // The bound on what is kept says the same as the outcome.
      #expect(((statement.keptAtLeast ?? 0) > 0.9) == (statement.outcome == .nonInferior))
      return statement.outcome == .nonInferior
    }
    #expect(expected.contains(Double(shown) / 200), "\(shown)")
  }

  static func even(_ value: Double, _ spread: Double) -> Resampled {
    Resampled(value: value, draws: (0...200).map { value + spread * (Double($0) / 100 - 1) }, seeds: [value])
  }

  @Test(arguments: [
    (0.02, 0.01, 1.0, 0.1, Margin.standard, NonInferiority.Outcome.nonInferior),
    (0.2, 0.05, 1, 0.1, .standard, .inferior), (0.09, 0.05, 1, 0.1, .standard, .notShown),
    (0.0, 0.01, 0.05, 0.2, .standard, .uninformative), (0.02, 0.01, -1, 0.1, .standard, .uninformative),
    (0.02, 0.01, 0.05, 0.2, .absolute(0.05), .nonInferior), (0.2, 0.01, 1, 0.1, .absolute(0.05), .inferior),
    (0.05, 0.01, 1, 0.1, .absolute(0.05), .notShown), (0.45, 0.02, 1, 0.1, .share(0.6), .nonInferior),
  ])
  func outcomes(
    harm: Double, spread: Double, gain: Double, gainSpread: Double, margin: Margin, expected: NonInferiority.Outcome
  ) {
    let statement = NonInferiority(
      harm: Self.even(harm, spread), gain: Self.even(gain, gainSpread), margin: margin)
    #expect(statement.outcome == expected)
    #expect((statement.kept == nil) == (statement.gain?.low ?? 0 <= 0))
  }

  @Test func marginsInWords() {
    func words(_ harm: Double, _ gain: Double, _ margin: Margin = .standard, place: String? = nil) -> String {
      NonInferiority(harm: Self.even(harm, 0.02), gain: Self.even(gain, 0), margin: margin)
        .sentence("arm 'L2'", place, digits: 3, unit: "nats")
    }
    #expect(
      words(0.02, 1) == "Arm 'L2' keeps 98.0 % of what standard fine-tuning gained over the base (at least 96.2 %, "
        + "one-sided 95 %): it is non-inferior, with a margin of 10 % of the gain.")
    #expect(
      words(0.1, 1, place: "on x")
        == "On x arm 'L2' keeps 90.0 % of what standard fine-tuning gained over the base (at least "
        + "88.2 %, one-sided 95 %): non-inferiority is not shown, with a margin of 10 % of the gain.")
    #expect(
      words(0.02, 0)
        == "Whether arm 'L2' is non-inferior cannot be said (uninformative): standard fine-tuning is not shown "
        + "to gain anything over the base.")
    #expect(
      words(0.1, 1, .absolute(0.05))
        == "Arm 'L2' is worse than standard by at most +0.118 nats (one-sided 95 %): it is "
        + "inferior, with a margin of 0.050.")
  }
}
