import Checkpoint
import Foundation
import Models
import Testing
import Text

@testable import Training

@Suite struct FineTuningTests {
  /// Stops after `step` steps.
  private func stopping(after step: Int) -> () -> Bool {
    var asked = 0
    return {
      asked += 1
      return asked == step
    }
  }

  @Test(arguments: [nil, 1]) func resumedRunHasTheSameBits(limit: Int?) throws {
    let tiny = try TinyRun()
    tiny.recipe.routing.deviceLimit = limit
    tiny.recipe.schedule.accumulation = 2
    let whole = try tiny.tuning("whole")
    #expect(whole.steps == 8)
    let straight = try whole.run(.new)
    #expect(straight.ending == .finished)

    let part = try tiny.tuning("part")
    #expect(try part.run(.new, isStopRequested: stopping(after: 3)).ending == .stopped(step: 3))
    #expect(try part.folder.savedSteps() == [3])
    let resumed = try tiny.tuning("part").run(.resume)
    #expect(resumed.ending == .finished)

    #expect(bits(resumed.model) == bits(straight.model))
    #expect(
      bits(try ModelFiles(opening: part.folder.final).model())
        == bits(try ModelFiles(opening: whole.folder.final).model()))
    let (a, b) = (
      try TrainingState(readingFrom: whole.folder.checkpoint(step: 6)),
      try TrainingState(readingFrom: part.folder.checkpoint(step: 6))
    )
    #expect(a.step == 6 && b.step == 6 && a.tokens == b.tokens && a.moments.keys == b.moments.keys)
    for (name, moment) in a.moments {
      #expect(moment.first.elements == b.moments[name]?.first.elements, "\(name)")
      #expect(moment.second.elements == b.moments[name]?.second.elements, "\(name)")
    }
    let metrics = try TinyRun.metrics(whole.folder)
    #expect(metrics.map { $0["step"] } == (0...8).map(Double.init))
    #expect(try TinyRun.metrics(part.folder) == metrics)
    if limit == 1 { #expect(metrics[1]["devices_per_token"] == 1) }
  }

  @Test func aChangedRecipeIsRefusedByKey() throws {
    let tiny = try TinyRun()
    _ = try tiny.tuning().run(.new, isStopRequested: stopping(after: 2))
    tiny.recipe.optimizer.learningRate = 2e-2
    tiny.recipe.save.every = 5
    #expect(
      throws: RunFolderError.changed(
        path: tiny.folder.path + "/run", keys: ["optimizer.learning_rate: was 0.01, is 0.02"])
    ) { try tiny.tuning().run(.resume) }
    tiny.recipe.optimizer.learningRate = 1e-2
    #expect(try tiny.tuning().run(.resume).ending == .finished)
    #expect(try RunFolder(tiny.folder.path + "/run").savedSteps() == [5, 8])
  }

  @Test func changedDataIsRefused() throws {
    let tiny = try TinyRun()
    let first = try tiny.tuning()
    _ = try first.run(.new, isStopRequested: stopping(after: 2))
    let other = try tiny.tuning(data: TrainingData(train: TinyRun.documents(40, seed: 9)))
    #expect(
      throws: RunFolderError.otherData(
        path: first.folder.checkpoint(step: 2), expected: first.batchOrder, found: other.batchOrder)
    ) { try other.run(.resume) }
  }

  @Test func oldCheckpointsGo() throws {
    let tiny = try TinyRun()
    tiny.recipe.save.every = 1
    tiny.recipe.save.keep = 2
    let run = try tiny.tuning()
    try FileManager.default.createDirectory(
      atPath: run.folder.path + "/checkpoints", withIntermediateDirectories: true)
    try tiny.folder.write("run/checkpoints/step-9.h5.tmp", "what a killed writer left")
    _ = try run.run(.prepared)
    #expect(try run.folder.savedSteps() == [7, 8])
    let names = try FileManager.default.contentsOfDirectory(atPath: run.folder.path + "/checkpoints")
    #expect(names.sorted() == ["step-7.h5", "step-8.h5"])
  }

  @Test func aHugeLearningRateStopsAndNamesStepAndParameter() throws {
    let tiny = try TinyRun()
    tiny.recipe.optimizer.learningRate = 1e30
    tiny.recipe.optimizer.clip = nil
    let run = try tiny.tuning()
    #expect {
      try run.run(.new)
    } throws: { error in
      switch error as? TrainingError {
      case .loss(let step, _, _, let parameter): step > 1 && parameter.hasPrefix("model.layers.")
      case .gradient(let step, let parameter), .weight(let step, let parameter):
        step > 1 && parameter.hasPrefix("model.layers.")
      default: false
      }
    }
    #expect(!FileManager.default.fileExists(atPath: run.folder.final))
  }

  @Test func frozenRolesKeepEveryBitAndGetNoMoments() throws {
    let tiny = try TinyRun()
    tiny.recipe.train.experts = .frozen
    let run = try tiny.tuning()
    let base = bits(try tiny.base.model())
    let trained = bits(try run.run(.new).model)
    for (name, after) in trained {
      #expect((after != base[name]) == name.hasSuffix("mlp.gate.weight"), "\(name)")
    }
    let state = try TrainingState(readingFrom: run.folder.checkpoint(step: 6))
    #expect(Set(state.moments.keys) == ["model.layers.0.mlp.gate.weight", "model.layers.1.mlp.gate.weight"])
  }

  @Test func littleTrainingMakesSmallCheckpoints() throws {
    let tiny = try TinyRun()
    let size = { (path: String) in
      try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }
    let full = try tiny.tuning("full")
    _ = try full.run(.new, isStopRequested: stopping(after: 3))
    #expect(try ModelFiles(opening: full.folder.checkpoint(step: 3)).base == nil)

    tiny.recipe.train.experts = .frozen
    let whole = try tiny.tuning("whole")
    let straight = try whole.run(.new)
    let part = try tiny.tuning("part")
    #expect(try part.run(.new, isStopRequested: stopping(after: 4)).ending == .stopped(step: 4))
    let step = part.folder.checkpoint(step: 4)
    #expect(try size(step) * 4 < size(tiny.base.path))
    #expect(
      try ModelFiles(opening: step).base
        == BaseReference(try ModelFiles(opening: tiny.base.path), stored: [.router]))

    let resumed = try tiny.tuning("part").run(.resume)
    #expect(resumed.ending == .finished && bits(resumed.model) == bits(straight.model))
    for run in [whole, part] {
      let step = try ModelFiles(opening: run.folder.checkpoint(step: 6))
      #expect(try step.base != nil && step.inventory().map(\.type).allSatisfy { $0 == .float32 })
      let final = try ModelFiles(opening: run.folder.final)
      #expect(try final.base == nil && bits(final.model()) == bits(straight.model))
    }

    // A run that begins with a partial checkpoint writes complete ones.
    let next = FineTuning(
      recipe: tiny.recipe, base: try ModelFiles(opening: whole.folder.checkpoint(step: 6)), routing: whole.routing,
      data: whole.data, folder: RunFolder(tiny.folder.path + "/next"), program: "test")
    _ = try next.run(.new, isStopRequested: stopping(after: 1))
    #expect(try ModelFiles(opening: next.folder.checkpoint(step: 1)).base == nil)
  }

  @Test func recordsWhatItDid() throws {
    let tiny = try TinyRun()
    tiny.recipe.loss.z = 1e-3
    tiny.recipe.loss.collaboration = 0.1
    (tiny.recipe.loss.distillation.router, tiny.recipe.loss.distillation.logits) = (0.1, 0.1)
    tiny.recipe.routing.deviceLimit = 2
    tiny.recipe.parallel.nodes = 2
    let run = try tiny.tuning()
    _ = try run.run(.new)
    let lines = try String(contentsOfFile: run.folder.metrics, encoding: .utf8).split(separator: "\n")
    let last = try #require(
      try JSONSerialization.jsonObject(with: Data(lines[8].utf8)) as? [String: Any]
    )
    #expect(Set(last.keys) == Set(Metric.allCases.map(\.rawValue)).union(["step", "run"]))
    #expect(last["devices_per_token"] as? Double ?? 0 > 1 && last["retained_mass"] as? Double == 1)
    let summary = try RunSummary(path: run.folder.summary)
    #expect(summary.steps == 8 && summary.batchOrder == run.batchOrder && summary.model == tiny.base.path)
    #expect(summary.trainedParameters == ["experts": 2 * 8 * 3 * 16 * 32, "router": 2 * 8 * 32])
    #expect(summary.validationLoss == last["validation_ce"] as? Double)
    #expect(summary.tokens == last["tokens"] as? Int)
    #expect(
      try Recipe.parse(
        String(contentsOfFile: run.folder.recipe, encoding: .utf8), file: "r.yaml", checksFiles: false) == run.recipe)
  }
}
