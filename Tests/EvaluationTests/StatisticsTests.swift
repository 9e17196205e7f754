import Formats
import Routing
import Foundation
import Testing

@testable import Evaluation

struct StatisticsTests {
  /// Documents d0, d1, … with the given Σ nll, all of the same length unless said otherwise.
  static func documents(_ losses: [Double], tokens: [Int]? = nil) -> [DocumentLoss] {
    losses.enumerated().map { DocumentLoss(document: "d\($0)", nll: $1, tokens: tokens?[$0] ?? 10) }
  }

  static func sample(_ losses: [Double], cell: String = "a", tokens: [Int]? = nil) throws -> LossSample {
    try LossSample(cell: cell, documents(losses, tokens: tokens))
  }

  @Test func lossIsARatioOfSums() throws {
    let sample = try Self.sample([30, 10], tokens: [10, 40])
    #expect(sample.loss == 40.0 / 50)  // And not the mean of 3 and 0.25.
  }

  /// With documents of equal length the bootstrap estimates σ / √n; 2,000 draws know it to 1 / √4000 = 1.6 %.
  @Test func standardErrorMatchesTheClosedForm() throws {
    var random = SplitMix64(seed: 3)
    let losses = (0..<200).map { _ in 20 + 10 * Double(random.below(1000)) / 1000 }
    let sample = try Self.sample(losses)
    let values = losses.map { $0 / 10 }
    let mean = values.reduce(0, +) / 200
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200
    let expected = (variance / 200).squareRoot()
    #expect(abs(sample.standardError - expected) <= 0.05 * expected)
    // The percentile interval of a mean of 200 is nearly normal.
    #expect(abs(sample.interval.low - (mean - 1.96 * expected)) <= 0.2 * expected)
    #expect(abs(sample.interval.high - (mean + 1.96 * expected)) <= 0.2 * expected)
  }

  /// Two documents, one long: a draw is (a, a), (b, b) or mixed with probabilities ¼, ¼, ½, so the interval's ends are
  /// the two documents' own losses.
  @Test func intervalOfTwoDocumentsIsTheirRange() throws {
    let sample = try Self.sample([10, 90], tokens: [10, 30])
    #expect(sample.interval == Interval(low: 1, high: 3))
  }

  @Test func equalDocumentsHaveNoSpread() throws {
    let sample = try Self.sample([25, 25, 25])
    #expect(sample.standardError == 0 && sample.interval == Interval(low: 2.5, high: 2.5))
  }

  @Test func drawsDependOnTheSeedAndNotOnTheOrder() throws {
    let losses = [10, 12, 31, 24, 18.5]
    let forward = try LossSample(cell: "a", Self.documents(losses))
    let backward = try LossSample(cell: "a", Self.documents(losses).reversed())
    let other = try LossSample(cell: "a", Self.documents(losses), bootstrap: Bootstrap(seed: 2))
    #expect(forward.figure.draws == backward.figure.draws)
    #expect(forward.figure.draws != other.figure.draws)
  }

  /// The reference values of Vigna's splitmix64.c for seed 1234567.
  @Test func generatorMatchesItsReference() {
    var random = SplitMix64(seed: 1_234_567)
    let values = (0..<3).map { _ in random.next() }
    #expect(values == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
  }

  @Test func quantilesAreThoseOfNumpy() {
    // numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.5, 1])
    let values = [0, 0.1, 0.5, 1].map { Bootstrap.quantile([1, 2, 4, 8], $0) }
    for (value, expected) in zip(values, [1, 1.3, 3, 8]) { #expect(abs(value - expected) <= 1e-12) }
  }

  /// A constant difference has no spread, however much the documents differ: that is what pairing is for.
  @Test func pairedDifferenceHasASignAndNoSpreadFromDocuments() throws {
    let hard = try Self.sample([10, 90, 40, 22])
    let easy = try Self.sample([9, 89, 39, 21], cell: "b")
    let difference = try easy.difference(from: hard)
    #expect(abs(difference.mean + 0.1) <= 1e-12)
    #expect(abs(difference.low + 0.1) <= 1e-12 && abs(difference.high + 0.1) <= 1e-12)
    #expect(difference.outcome == .better)
    #expect(try hard.difference(from: easy).outcome == .worse)
    #expect(try hard.difference(from: hard) == Difference(mean: 0, low: 0, high: 0))
    #expect(hard.standardError > 0.5)
  }

  @Test func detectableDifferenceScalesTheHalfWidth() {
    let difference = Difference(mean: 0.001, low: -0.0186, high: 0.0206)
    #expect(abs(difference.detectable - 0.028) <= 1e-12)  // Half-width 0.0196 is 1.96 × 0.01; 2.8 × 0.01.
    #expect(difference.outcome == .noneShown)
  }

  @Test(arguments: [(20.0, 1.0), (25.0, 0.5), (30.0, 0.0), (35.0, -0.5), (10.0, 2.0)])
  func recoveryIsTheShareOfTheCost(trained: Double, expected: Double) throws {
    let free = try Self.sample([20, 40, 60])
    let limited = try Self.sample([30, 50, 70])
    let recovery = try #require(
      try Self.sample([trained, trained + 20, trained + 40]).recovery(limited: limited, free: free))
    for value in [recovery.mean, recovery.low, recovery.high] { #expect(abs(value - expected) <= 1e-9) }
  }

  @Test(arguments: [
    [20.0, 40, 60],  // The limit costs nothing,
    [21, 38, 61],  // nothing that could be told from nothing,
    [18, 37, 55],  // or even helps.
  ])
  func recoveryIsUndefinedWhereTheLimitIsNotShownToCost(limited: [Double]) throws {
    let free = try Self.sample([20, 40, 60])
    #expect(try Self.sample([15, 35, 50]).recovery(limited: Self.sample(limited), free: free) == nil)
  }

  @Test func badDocumentsAreNamed() {
    func error(_ documents: [DocumentLoss]) -> String {
      do {
        _ = try LossSample(cell: "arm 'L2' at limit 1", documents)
        return ""
      } catch { return error.description }
    }
    let good = DocumentLoss(document: "d0", nll: 1, tokens: 1)
    let table: [(DocumentLoss?, String)] = [
      (
        DocumentLoss(document: "d1", nll: .nan, tokens: 1),
        "arm 'L2' at limit 1: target document 'd1': expected a finite loss, found nan; "
          + "try to evaluate that document alone"
      ),
      (
        DocumentLoss(document: "d1", nll: .infinity, tokens: 1),
        "arm 'L2' at limit 1: target document 'd1': expected a finite loss, found inf; "
          + "try to evaluate that document alone"
      ),
      (
        DocumentLoss(document: "d1", nll: 0, tokens: 0),
        "arm 'L2' at limit 1: target document 'd1': expected at least 1 counted token, found 0; "
          + "try to leave the document out of every cell"
      ),
      (
        good,
        "arm 'L2' at limit 1: expected every target document once, found 'd0' twice; try distinct document ids"
      ),
      (nil, "arm 'L2' at limit 1: expected at least 2 target documents, found 1; try a larger test set"),
    ]
    for (bad, text) in table { #expect(error([good] + (bad.map { [$0] } ?? [])) == text) }
  }

  @Test func pairsNeedTheSameDocumentsAndTokens() throws {
    let three = try Self.sample([1, 2, 3])
    let two = try Self.sample([1, 2], cell: "b")
    let other = try LossSample(
      cell: "b", ["d0", "d2", "d3"].map { DocumentLoss(document: $0, nll: 1, tokens: 10) })
    let longer = try Self.sample([1, 2, 3], cell: "b", tokens: [10, 11, 10])
    let expected: [(LossSample, ComparisonError)] = [
      (two, .differentDocuments(cell: "a", other: "b", text: "target", document: "d2")),
      (other, .differentDocuments(cell: "a", other: "b", text: "target", document: "d1")),
      (longer, .differentTokens(cell: "a", other: "b", text: "target", document: "d1", expected: 11, found: 10)),
    ]
    for (sample, error) in expected { #expect(throws: error) { try three.difference(from: sample) } }
  }
}
