import Testing

@testable import Evaluation

struct VerdictTests {
  /// A result with the figures that a verdict reads.
  static func result(
    _ arm: String, trained: Int?, at limit: Int?, difference: Difference?, effect: Difference? = nil,
    recovery: Recovery? = nil, bytes: Double, imbalance: Double
  ) throws -> CellResult {
    let figures = CommunicationFigures(
      layer: nil, devicesPerToken: 2, remoteCopies: 1.5, naiveCopies: 8, naiveRemoteCopies: 6, bytes: bytes,
      naiveBytes: 4608, intraShare: 0.4, imbalanceRows: imbalance, imbalanceWire: 1, retainedMass: 1)
    let cell = Cell(
      arm: arm, fineTuned: arm != "base", trainedLimit: trained, evaluatedLimit: limit,
      trainedRule: trained.map { "L\($0)" }, evaluatedRule: limit.map { "L\($0)" }, seed: 1, policy: "router",
      target: [], retention: [], communication: figures, layers: [])
    let sample = try LossSample(cell: arm, StatisticsTests.documents([20, 30]))
    var result = CellResult(cells: [cell], target: sample, retention: nil)
    result.difference = difference
    result.trainingEffect = effect
    result.recovery = recovery
    result.isReference = arm == "standard" && limit == nil
    return result
  }

  static let zero = Difference(mean: 0, low: 0, high: 0)

  static func standard() throws -> CellResult {
    try result("standard", trained: nil, at: nil, difference: zero, bytes: 2000, imbalance: 1.1)
  }

  static func verdict(_ results: [CellResult]) -> Verdict {
    Verdict(run: Sample.facts, results: results)
  }

  static let better = Difference(mean: -0.0123, low: -0.02, high: -0.005)
  static let worse = Difference(mean: 0.0312, low: 0.025, high: 0.04)
  static let none = Difference(mean: -0.001, low: -0.0108, high: 0.0088)
  static let scope =
    "All of this describes these two checkpoints, trained from one seed, on 2 documents; "
    + "another seed may differ."

  @Test(arguments: [
    (
      better, 1000.0,
      "With at most 2 of 4 devices per token, checkpoint 'L2' predicts the target text better than the standard "
        + "checkpoint without a limit, by 0.0123 nats per token (95 % interval 0.0050 to 0.0200), and sends 50 % fewer "
        + "bytes (compute imbalance 1.30 against 1.10).",
      "2 of 4 devices: loss 0.012 lower, 50 % fewer bytes."
    ),
    (
      worse, 2040,
      "With at most 2 of 4 devices per token, checkpoint 'L2' predicts the target text worse than the standard "
        + "checkpoint without a limit, by 0.0312 nats per token (95 % interval 0.0250 to 0.0400), and sends 2.0 % more "
        + "bytes (compute imbalance 1.30 against 1.10).",
      "2 of 4 devices: loss 0.031 higher, 2.0 % more bytes."
    ),
    (
      none, 1999,
      "With at most 2 of 4 devices per token, no difference is shown between checkpoint 'L2' and the standard "
        + "checkpoint without a limit (−0.0010 nats per token, 95 % interval −0.0108 to +0.0088; 0.0140 could have "
        + "been detected), and it sends as many bytes (compute imbalance 1.30 against 1.10).",
      "2 of 4 devices: no difference in loss shown, as many bytes."
    ),
  ])
  func costInWords(difference: Difference, bytes: Double, sentence: String, headline: String) throws {
    let verdict = Self.verdict([
      try Self.standard(),
      try Self.result("L2", trained: 2, at: 2, difference: difference, effect: Self.zero, bytes: bytes, imbalance: 1.3),
    ])
    #expect(verdict.sentences.first == sentence)
    #expect(verdict.headline == headline)
    #expect(verdict.sentences.last == Self.scope)
    #expect(verdict.sentences.count == 3)
  }

  @Test(
    arguments: [
      (
        better, Recovery(mean: 0.78, low: 0.651, high: 0.9),
        "Training under L = 1 helped: it lowers the loss by 0.0123 (95 % interval 0.0050 to 0.0200) against applying the "
          + "limit to the standard checkpoint afterwards; it recovers 78 % of what the limit cost (65 % to 90 %)."
      ),
      (
        better, nil,
        "Training under L = 1 helped: it lowers the loss by 0.0123 (95 % interval 0.0050 to 0.0200) against applying the "
          + "limit to the standard checkpoint afterwards; recovery is undefined, as the limit applied afterwards is not "
          + "shown to cost anything."
      ),
      (
        worse, Recovery(mean: -0.3, low: -0.42, high: -0.051),
        "Training under L = 1 hurt: it raises the loss by 0.0312 (95 % interval 0.0250 to 0.0400) against applying the "
          + "limit to the standard checkpoint afterwards; it recovers −30 % of what the limit cost (−42 % to −5.1 %)."
      ),
      (
        none, nil,
        "Training under L = 1 is not shown to differ from applying the limit to the standard checkpoint afterwards "
          + "(−0.0010, 95 % interval −0.0108 to +0.0088; 0.0140 could have been detected); recovery is undefined, as the "
          + "limit applied afterwards is not shown to cost anything."
      ),
      (
        nil, nil,
        "Whether training under L = 1 helped cannot be said: the standard checkpoint was not evaluated under that limit."
      ),
    ] as [(Difference?, Recovery?, String)])
  func trainingInWords(effect: Difference?, recovery: Recovery?, sentence: String) throws {
    let verdict = Self.verdict([
      try Self.standard(),
      try Self.result(
        "L1", trained: 1, at: 1, difference: Self.worse, effect: effect, recovery: recovery, bytes: 576, imbalance: 1.5),
    ])
    #expect(verdict.sentences[1] == sentence)
  }

  @Test func twoLimitsMakeFiveSentencesAndMoreDoNot() throws {
    let cells = try [3, 2, 1].map { (limit: Int) in
      try Self.result(
        "L\(limit)", trained: limit, at: limit, difference: Self.worse, effect: Self.better, bytes: 1000, imbalance: 1.2
      )
    }
    let all = Self.verdict(try [Self.standard()] + cells)
    #expect(all.sentences.count == 5)
    #expect(
      all.headline == "3 of 4 devices: loss 0.031 higher, 50 % fewer bytes. "
        + "1 of 4 devices: loss 0.031 higher, 50 % fewer bytes.")
    #expect(Self.verdict(try [Self.standard()] + cells.dropFirst()).sentences.count == 5)
  }

  @Test func whatIsMissingIsSaid() throws {
    let trained = try Self.result("L2", trained: 2, at: 2, difference: nil, bytes: 1, imbalance: 1)
    #expect(
      Self.verdict([trained]).sentences == [
        "There is no standard checkpoint evaluated without a limit, so nothing can be compared with it."
      ])
    #expect(
      Self.verdict([try Self.standard()]).sentences == [
        "No checkpoint was trained under a limit and evaluated under it, so the question stays open.",
        "All of this describes this checkpoint, trained from one seed, on 2 documents; another seed may differ.",
      ])
    #expect(Self.verdict([trained]).headline == "Nothing to compare with a limit")
  }

  @Test func uselessFineTuningIsSaid() throws {
    let base = try Self.result("base", trained: nil, at: nil, difference: Self.none, bytes: 1, imbalance: 1)
    let cell = try Self.result("L2", trained: 2, at: 2, difference: Self.none, bytes: 1, imbalance: 1)
    #expect(
      Self.verdict([base, try Self.standard(), cell]).sentences.last
        == "All of this describes these two checkpoints, trained from one seed, on 2 documents, and standard "
        + "fine-tuning is not shown to improve on the base.")
  }

  @Test func nothingSpeaksOfTheMethod() throws {
    let comparison = try Comparison(Sample.study(documents: 20), bootstrap: ComparisonTests.quick)
    #expect(comparison.verdict.count == 5)
    #expect(comparison.verdict.allSatisfy { !$0.contains("method") })
  }
}
