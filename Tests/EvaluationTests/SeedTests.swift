import Foundation
import Testing

@testable import Evaluation

/// Several seeds: what is averaged, what is drawn, and what is paired.
struct SeedTests {
  static let documents = StatisticsTests.documents

  static func sample(_ seeds: [[Double]], _ bootstrap: Bootstrap = Bootstrap()) throws -> LossSample {
    try LossSample(seeds: seeds.enumerated().map { ("seed \($0)", documents($1, nil)) }, bootstrap: bootstrap)
  }

  @Test func theLossIsTheMeanOverSeeds() throws {
    let sample = try Self.sample([[10, 30], [20, 60]])
    #expect(sample.seedLosses == [2, 4] && sample.loss == 3)
    #expect(sample.documents.map(\.nll) == [15, 45])
  }

  @Test func oneSeedIsThePlainBootstrap() throws {
    let losses = [10, 12, 31, 24, 18.5]
    #expect(try Self.sample([losses]).figure.draws == LossSample(cell: "a", Self.documents(losses, nil)).figure.draws)
  }

  /// Documents without spread leave that of the seeds: σ / √S with the sample's σ, known to 1.6 % from 2,000 draws; the
  /// interval takes Student's t of two degrees of freedom.
  @Test func seedsAreDrawnAsWell() throws {
    let sample = try Self.sample([[20, 20], [24, 24], [30, 30]])
    let values = [2, 2.4, 3.0]
    let mean = values.reduce(0, +) / 3
    let expected = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 2 / 3).squareRoot()
    #expect(abs(sample.standardError - expected) <= 0.05 * expected)
    #expect(abs(sample.figure.degrees - 2) <= 0.2)
    #expect(sample.interval.low < 2 && sample.interval.high > 3)
  }

  /// Two seeds with the same losses say nothing more about the documents than one does: the crossed bootstrap's
  /// interval is that of one seed, where drawing documents for each seed apart would make it narrower by √2.
  @Test func aSeedThatRepeatsAnotherDoesNotNarrowTheInterval() throws {
    let losses = (0..<50).map { 20 + Double($0 * 7 % 50) / 5 }
    let (one, two) = (try Self.sample([losses]), try Self.sample([losses, losses]))
    #expect(zip(one.figure.draws, two.figure.draws).allSatisfy { abs($0 - $1) <= 1e-12 })
  }

  /// What a seed does to both arms alike is no part of their difference.
  @Test func seedsArePairedAcrossArms() throws {
    let worse = try Self.sample([[20, 50], [29, 60], [33, 90]])
    let better = try Self.sample([[19, 49], [28, 59], [32, 89]])
    let difference = try better.difference(from: worse)
    #expect(abs(difference.mean + 0.1) <= 1e-12 && difference.high - difference.low <= 1e-12)
    #expect(worse.standardError > 0.5)
  }

  @Test func seedsWithOtherDocumentsAreRefused() {
    #expect(throws: ComparisonError.differentDocuments(cell: "seed 1", other: "seed 0", text: "target", document: "d2"))
    {
      try Self.sample([[10, 30], [10, 30, 40]])
    }
    #expect(throws: ComparisonError.notFinite(cell: "seed 1", text: "target", document: "d0", found: "nan")) {
      try Self.sample([[10, 30], [.nan, 30]])
    }
  }

  /// The sample study, once more with a second seed whose losses and copies are higher.
  static func twoSeeds() -> Study {
    var study = Sample.study()
    study.facts.seeds = [1, 2]
    for cell in study.cells where cell.fineTuned {
      var second = cell
      second.seed = 2
      for index in second.target.indices { second.target[index].nll += 0.1 * Double(second.target[index].tokens) }
      second.communication.bytes += 100
      for index in second.layers.indices { second.layers[index].remoteCopies += 1 }
      study.cells.append(second)
    }
    return study
  }

  @Test func aComparisonAveragesAndKeepsEverySeed() throws {
    let one = try Comparison(Sample.study(), bootstrap: ComparisonTests.quick)
    let two = try Comparison(Self.twoSeeds(), bootstrap: ComparisonTests.quick)
    #expect(two.results.map(\.arm) == one.results.map(\.arm))
    for (single, double) in zip(one.results, two.results) {
      let shift = single.fineTuned ? 0.05 : 0
      #expect(abs(double.loss - single.loss - shift) <= 1e-12)
      #expect(double.seedLosses.count == (single.fineTuned ? 2 : 1))
      #expect(abs(double.communication.bytes - single.communication.bytes - 1000 * shift) <= 1e-9)
      #expect(abs(double.layers[3].remoteCopies - single.layers[3].remoteCopies - 10 * shift) <= 1e-9)
      // The second seed is higher by the same amount everywhere, so it cancels where fine-tuned arms are paired.
      guard single.fineTuned, let before = single.difference, let after = double.difference else { continue }
      #expect(abs(before.mean - after.mean) <= 1e-12 && abs(before.low - after.low) <= 1e-12)
    }
    #expect(two.verdict.last?.contains("these three arms, trained from 2 seeds each") == true)
    #expect(ComparisonTable(two).plain.contains("draws over 2 seeds and 120 documents"))
    #expect(try Comparison(json: try two.json()) == two)
  }

  @Test func curvesAreMeansOverTheStepsOfAll() {
    let first = LossCurve(arm: "L2", points: [.init(step: 0, tokens: 0, train: nil, validation: 4)])
    let one = LossCurve(
      arm: "L2", points: first.points + [.init(step: 1, tokens: 10, train: 3, validation: nil)])
    let two = LossCurve(
      arm: "L2",
      points: [
        .init(step: 0, tokens: 0, train: nil, validation: 6), .init(step: 1, tokens: 12, train: 2, validation: nil),
        .init(step: 2, tokens: 20, train: 1, validation: nil),
      ])
    #expect(
      LossCurve.mean([one, two]).points == [
        .init(step: 0, tokens: 0, train: nil, validation: 5), .init(step: 1, tokens: 10, train: 2.5, validation: nil),
      ])
  }

  /// Where rules differ in more than the limit, rows carry their names and the table still fits.
  @Test func rulesAreNamedWhereALimitIsNotEnough() throws {
    var study = Sample.study()
    for index in study.cells.indices where study.cells[index].arm == "L1" {
      study.cells[index].trainedRule = "output_similarity-L2"
      study.cells[index].arm = "output_similarity-L2"
      guard study.cells[index].evaluatedLimit == 1 else { continue }
      (study.cells[index].evaluatedRule, study.cells[index].evaluatedLimit) = ("output_similarity-L2", 2)
    }
    let comparison = try Comparison(study, bootstrap: ComparisonTests.quick)
    let table = ComparisonTable(comparison).plain
    #expect(table.contains("output_similarity-L2 · own ") && table.contains("standard · L1 "))
    #expect(table.split(separator: "\n").allSatisfy { $0.count <= 120 })
    #expect(
      Report(study: study, comparison: comparison).html.contains("output_similarity-L2, rule output_similarity-L2"))
  }
}
