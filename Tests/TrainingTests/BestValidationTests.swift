import Checkpoint
import Foundation
import Models
import Testing

@testable import Training

@Suite struct BestValidationTests {
  @Test func lowestLossIsTheBestAndProgressIsMoreThanMinDelta() {
    var best = BestValidation()
    let found = [4.0, 3.9, .nan, 3.89, 3.7, .infinity].enumerated().map { step, loss in
      (best.add(loss, step: step, minDelta: 0.05), best.stale)
    }
    #expect(found.map(\.0) == [true, true, false, true, true, false])
    #expect(found.map(\.1) == [0, 0, 1, 2, 0, 1])
    #expect(best.step == 4 && best.loss == 3.7)
  }

  @Test func lossesThatAreNotFiniteAreNeverTheBest() {
    var best = BestValidation()
    #expect(!best.add(.nan, step: 1) && !best.add(.infinity, step: 2))
    #expect(best.step == nil && best.stale == 2)
    #expect(best.add(9, step: 3) && best.stale == 0)
  }

  /// Random documents of which nothing can be learned: validation gets worse while training goes on.
  private func overfitting() throws -> TinyRun {
    let tiny = try TinyRun()
    tiny.recipe.optimizer.learningRate = 5e-2
    tiny.recipe.schedule.maxSteps = 12
    tiny.recipe.schedule.epochs = 4
    tiny.recipe.run.evaluateEvery = 1
    tiny.recipe.save.every = 1
    tiny.recipe.save.keep = 100
    return tiny
  }

  @Test func theBestModelIsTheResult() throws {
    let tiny = try overfitting()
    tiny.recipe.run.keepsBest = true
    let run = try tiny.tuning()
    let model = try run.run(.new).model
    let losses = try TinyRun.metrics(run.folder).dropFirst().map { try #require($0["validation_ce"]) }
    let lowest = try #require(losses.indices.min { losses[$0] < losses[$1] })
    let step = lowest - losses.startIndex + 1
    try #require(step < 12, "validation gets worse, or this test says nothing")
    let summary = try RunSummary(path: run.folder.summary)
    #expect(summary.steps == 12 && summary.bestStep == step && summary.stoppedEarly == nil)
    // Of the model as it is stored; weights that do not train add up in another order.
    #expect(abs((summary.validationLoss ?? .nan) - losses[lowest]) <= 1e-9)
    let saved = bits(try ModelFiles(opening: run.folder.checkpoint(step: step)).model())
    #expect(bits(model) == saved)
    #expect(bits(try ModelFiles(opening: run.folder.final).model()) == saved)
  }

  @Test func trainingEndsWithoutProgressAndAResumedRunAtTheSameStep() throws {
    let tiny = try overfitting()
    tiny.recipe.run.keepsBest = true
    tiny.recipe.run.earlyStopping = .init(patience: 2)
    let whole = try tiny.tuning("whole")
    let straight = try whole.run(.new)
    let metrics = try TinyRun.metrics(whole.folder)
    let losses = try metrics.dropFirst().map { try #require($0["validation_ce"]) }
    // By hand: the first step that is the second in a row not below the lowest before.
    var (expected, lowest, stale) = (12, Double.infinity, 0)
    for (index, loss) in losses.enumerated() {
      stale = loss < lowest ? 0 : stale + 1
      lowest = min(lowest, loss)
      if stale == 2 {
        expected = index + 1
        break
      }
    }
    try #require(expected < 12, "validation gets worse, or this test says nothing")
    let summary = try RunSummary(path: whole.folder.summary)
    #expect(summary.steps == expected && summary.stoppedEarly == true && metrics.count == expected + 1)

    let stopped = try tiny.tuning("part")
    var asked = 0
    #expect(
      try stopped.run(.new) {
        asked += 1
        return asked == expected - 1
      }.ending == .stopped(step: expected - 1))
    let resumed = try tiny.tuning("part").run(.resume)
    #expect(bits(resumed.model) == bits(straight.model))
    #expect(try TinyRun.metrics(stopped.folder) == metrics)
    #expect(try RunSummary(path: stopped.folder.summary).bestStep == summary.bestStep)
  }

  private func issues(_ run: String, data: String = "") -> [String] {
    let text = """
      version: 1
      model: base.h5
      data: {train: {path: t.jsonl, format: alpaca}\(data)}
      run: {\(run)}
      output: runs/x
      """
    do {
      _ = try Recipe.parse(text, file: "r.yaml", checksFiles: false, workingFolder: "/w")
      return []
    } catch { return "\(error)".split(separator: "\n").map(String.init) }
  }

  @Test func recipesSayWhatIsMissing() {
    #expect(issues("keep_best: true, early_stopping: {patience: 3, min_delta: 0.1}") == [])
    #expect(issues("early_stopping: none") == [])
    for (run, data, expected) in [
      ("early_stopping: 3", "", "run.early_stopping: expected {patience: validations, min_delta: nats} or none"),
      ("early_stopping: {min_delta: 0}", "", "run.early_stopping.patience: expected a number of validations"),
      ("early_stopping: {patience: 0}", "", "run.early_stopping.patience: expected an integer in 1...1000000000"),
      ("early_stopping: {patience: 1, min_delta: -1}", "", "run.early_stopping.min_delta: expected"),
      ("early_stopping: {patience: 1, delta: 1}", "", "run.early_stopping.delta: unknown key"),
      ("evaluate_every: none, keep_best: true", "", "run.keep_best: expected run.evaluate_every"),
      ("early_stopping: {patience: 1}", ", validation: 0", "run.early_stopping: expected validation data"),
    ] {
      let found = issues(run, data: data)
      #expect(found.contains { $0.contains(expected) }, "\(run): \(found)")
    }
  }
}
