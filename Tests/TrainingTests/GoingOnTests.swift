import Files
import Checkpoint
import Foundation
import Models
import Testing
import Text

@testable import Training

/// Runs that go on elsewhere, for longer, or from the middle of a measurement.
@Suite struct GoingOnTests {
  private func stopping(after step: Int) -> () -> Bool {
    var asked = 0
    return {
      asked += 1
      return asked == step
    }
  }

  // MARK: Elsewhere

  @Test func aMovedFolderGoesOn() throws {
    let tiny = try TinyRun()
    tiny.recipe.train.experts = .frozen  // partial checkpoints, which name their base
    let straight = try tiny.tuning("whole").run(.new)
    _ = try tiny.tuning("part").run(.new, isStopRequested: stopping(after: 3))
    let (old, new) = (tiny.folder.path + "/part", tiny.folder.path + "/else/where")
    try FileManager.default.createDirectory(atPath: tiny.folder.path + "/else", withIntermediateDirectories: true)
    try FileManager.default.moveItem(atPath: old, toPath: new)
    let resumed = try tiny.tuning("else/where").run(.resume)
    #expect(resumed.ending == .finished && bits(resumed.model) == bits(straight.model))
  }

  /// The base and the data lay in the same project and moved with it.
  @Test func aMovedProjectGoesOn() throws {
    let tiny = try TinyRun()
    tiny.recipe.train.experts = .frozen
    tiny.recipe.data.train[0].path = tiny.folder.path + "/old/data/train.jsonl"
    tiny.recipe.model = tiny.folder.path + "/old/models/base.h5"
    for folder in ["old/models", "new/runs"] {
      try FileManager.default.createDirectory(
        atPath: tiny.folder.path + "/" + folder, withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(atPath: tiny.base.path, toPath: tiny.recipe.model)
    let first = try tiny.tuning("old/runs/mine", base: ModelFiles(opening: tiny.recipe.model))
    _ = try first.run(.new, isStopRequested: stopping(after: 3))
    try FileManager.default.removeItem(atPath: tiny.folder.path + "/new")
    try FileManager.default.moveItem(atPath: tiny.folder.path + "/old", toPath: tiny.folder.path + "/new")
    tiny.recipe.data.train[0].path = tiny.folder.path + "/new/data/train.jsonl"
    tiny.recipe.model = tiny.folder.path + "/new/models/base.h5"
    let base = try ModelFiles(opening: tiny.recipe.model)
    let moved = try tiny.tuning("new/runs/mine", base: base)
    // What follows is written over the base where it is now.
    _ = try moved.run(.resume, isStopRequested: stopping(after: 1))
    #expect(try ModelFiles(opening: moved.folder.checkpoint(step: 4)).base?.path == base.path)
    #expect(try tiny.tuning("new/runs/mine", base: base).run(.resume).ending == .finished)
    // Another base of that name is not the one that the run began with.
    let state = moved.folder.checkpoint(step: 6)
    let other = try ModelFamily.configuration(json: TinyRun.json, file: "config.json")
    try CheckpointWriter.write(
      tiny.folder.path + "/other.h5", weights: ModelBytes(ModelFamily.random(other, seed: 2)),
      extras: CheckpointExtras(configuration: other), program: "test")
    #expect(throws: FileError.self) {
      _ = try ModelFiles(opening: state, over: tiny.folder.path + "/other.h5").model()
    }
  }

  @Test(arguments: [
    ("/a/p/data/t.jsonl", "/b/p/data/t.jsonl", "/b/p/runs/1", true),
    ("/a/p/data/t.jsonl", "/a/p/data/t.jsonl", "/elsewhere", true),
    ("/a/p/data/t.jsonl", "/b/q/data/t.jsonl", "/b/q/runs/1", true),
    // What is in front of the shared end is no folder above the run.
    ("/data/one/t.jsonl", "/data/two/t.jsonl", "/home/runs/1", false),
    ("/a/p/data/t.jsonl", "/b/p/data/u.jsonl", "/b/p/runs/1", false),
    ("base.h5", "/b/p/base.h5", "/b/p/runs/1", true),
    ("models/base.h5", "/b/p/base.h5", "/b/p/runs/1", false),
  ])
  func pathsFollowTheFolder(old: String, new: String, output: String, follows: Bool) {
    func recipe(_ path: String, _ output: String) -> Recipe {
      var recipe = Recipe(model: "m.h5", data: .init(train: [.init(path: "/x", format: .alpaca)]), output: output)
      recipe.model = path
      return recipe
    }
    let now = recipe(new, output)
    #expect(now.differences(from: recipe(old, "/old").following(now)).isEmpty == follows)
  }

  @Test func whatChangesResultsIsStillRefused() throws {
    let tiny = try TinyRun()
    tiny.recipe.data.validation = .sources([.init(path: tiny.folder.path + "/a/v.jsonl", format: .alpaca)])
    _ = try tiny.tuning("part").run(.new, isStopRequested: stopping(after: 3))
    try FileManager.default.moveItem(atPath: tiny.folder.path + "/part", toPath: tiny.folder.path + "/moved")
    tiny.recipe.data.validation = .sources([.init(path: tiny.folder.path + "/a/w.jsonl", format: .alpaca)])
    tiny.recipe.optimizer.weightDecay = 0.1
    #expect {
      try tiny.tuning("moved").run(.resume)
    } throws: { error in
      guard case .changed(_, let keys) = error as? RunFolderError else { return false }
      return keys.count == 2 && keys[0].hasPrefix("data.validation") && keys[1].hasPrefix("optimizer.weight_decay")
    }
  }

  // MARK: For longer

  private func longer(_ tiny: TinyRun, _ name: String, steps: Int) throws -> FineTuning {
    tiny.recipe.schedule.maxSteps = steps
    var tuning = try tiny.tuning(name)
    tuning.extends = true
    return tuning
  }

  /// With a constant rate an extended run is the longer run, to the bit, whichever way it came to its length.
  @Test(arguments: [false, true]) func extendedRunHasTheSameBits(isStopped: Bool) throws {
    let tiny = try TinyRun()
    (tiny.recipe.schedule.name, tiny.recipe.schedule.epochs, tiny.recipe.run.keepsBest) = (.constant, 9, true)
    tiny.recipe.schedule.maxSteps = 14
    let whole = try tiny.tuning("whole")
    let straight = try whole.run(.new)
    tiny.recipe.schedule.maxSteps = 8
    let part = try tiny.tuning("part")
    #expect(try part.run(.new).ending == .finished)
    let (before, identity) = (
      try RunSummary(path: part.folder.summary), try TrainingState(readingFrom: part.folder.checkpoint(step: 8)).run
    )
    if isStopped {
      let run = try longer(tiny, "part", steps: 14)
      #expect(try run.run(.resume, isStopRequested: stopping(after: 2)).ending == .stopped(step: 10))
      // From here on it is the longer run that goes on.
      let resumed = try tiny.tuning("part").run(.resume)
      #expect(bits(resumed.model) == bits(straight.model))
    } else {
      let extended = try longer(tiny, "part", steps: 14).run(.resume)
      #expect(extended.ending == .finished && bits(extended.model) == bits(straight.model))
    }
    #expect(try TinyRun.metrics(part.folder).map { $0["ce"] } == TinyRun.metrics(whole.folder).map { $0["ce"] })
    let (a, b) = (
      try TrainingState(readingFrom: whole.folder.checkpoint(step: 14)),
      try TrainingState(readingFrom: part.folder.checkpoint(step: 14))
    )
    for (name, moment) in a.moments { #expect(moment.second.elements == b.moments[name]?.second.elements, "\(name)") }
    let after = try RunSummary(path: part.folder.summary)
    #expect(before.steps == 8 && after.steps == 14 && after.run == before.run && b.run == identity)
    #expect(after.batchOrder == whole.batchOrder)
    #expect(
      try Recipe.parse(String(contentsOfFile: part.folder.recipe, encoding: .utf8), file: "r", checksFiles: false)
        .schedule.maxSteps == 14)
  }

  @Test func aLongerScheduleIsSaidAndFollowed() throws {
    let tiny = try TinyRun()
    _ = try tiny.tuning("run").run(.new)
    let run = try longer(tiny, "run", steps: 16)
    let words = try #require(try run.extensionWords())
    #expect(words.hasPrefix("trains on from step 8 of 8 to step 16, with moments and data order kept; "))
    #expect(words.hasSuffix(": 0.00611 at step 9, where it was 0.00067 at step 8"))
    _ = try run.run(.resume)
    let rates = try TinyRun.metrics(run.folder).compactMap { $0["lr"] }
    #expect(rates.count == 16 && abs(rates[8] - 0.00611) < 1e-5 && abs(rates[7] - 0.00067) < 1e-5)
  }

  @Test func whatCannotBeExtendedSaysWhy() throws {
    let tiny = try TinyRun()
    func refusal(_ name: String, steps: Int) throws -> String {
      do {
        _ = try longer(tiny, name, steps: steps).run(.resume)
        return "no error"
      } catch { return "\(error)" }
    }
    let folder = tiny.folder.path
    _ = try tiny.tuning("run").run(.new)
    #expect(
      try refusal("run", steps: 8)
        == "\(folder)/run: expected more than 8 steps to train on from, found 8; try a larger "
        + "schedule.max_steps or schedule.epochs")
    tiny.recipe.schedule.maxSteps = 8
    tiny.recipe.save.every = nil
    _ = try tiny.tuning("stateless").run(.new)
    #expect(
      try refusal("stateless", steps: 9)
        == "\(folder)/stateless: expected a checkpoint with the optimizer's state to train on from, found a result alone, as "
        + "of save.every=none; try another output with model=\(folder)/stateless/final.h5, where the moments begin at zero"
    )
    (tiny.recipe.save.every, tiny.recipe.schedule.maxSteps) = (6, 8)
    (tiny.recipe.run.earlyStopping, tiny.recipe.run.evaluateEvery) = (.init(patience: 1, minDelta: 100), 2)
    _ = try tiny.tuning("early").run(.new)
    #expect(try refusal("early", steps: 12).contains("found one that run.early_stopping ended after step 4"))
    tiny.recipe.run.earlyStopping = nil
    // An epoch of 7 batches in steps of 2 ends with one of 1.
    (tiny.recipe.schedule.maxSteps, tiny.recipe.schedule.epochs, tiny.recipe.schedule.accumulation) = (nil, 1, 4)
    let uneven = try tiny.tuning("uneven")
    let batches = FineTuning.microBatchCount(tiny.recipe, uneven.batcher)
    try #require(batches % 4 > 0)
    _ = try uneven.run(.new)
    tiny.recipe.schedule.epochs = 2
    var extended = try tiny.tuning("uneven")
    extended.extends = true
    #expect { try extended.run(.resume) } throws: {
      "\($0)".contains("found one of \(batches % 4), where the epochs ended")
    }
  }

  @Test func aLongerRecipeWithoutTheFlagNamesIt() throws {
    let tiny = try TinyRun()
    _ = try tiny.tuning("run").run(.new)
    tiny.recipe.schedule.maxSteps = 12
    #expect { try tiny.tuning("run").run(.resume) } throws: {
      "\($0)".hasSuffix(
        "schedule.max_steps: was 8, is 12\ntry the old values, or another output=… for a new run, or --extend to train on for "
          + "more steps")
    }
  }

  // MARK: From the middle of a measurement

  /// Validation after step 4, and of the result, is given up; the run that goes on has the record and the bits of one
  /// that was never stopped.
  @Test(arguments: [1, 2, 5], [false, true]) func abandonedMeasurementsAreDoneAnew(batch: Int, keepsBest: Bool) throws {
    let tiny = try TinyRun()
    (tiny.recipe.run.keepsBest, tiny.recipe.save.every) = (keepsBest, nil)
    tiny.recipe.tasks.every = 4
    let scoring: TaskScoring = { model, _, isAbandoned in
      if isAbandoned() { throw MeasuringAbandoned() }
      return ["piqa/acc": Double(bits(model)["model.norm.weight"]?.count ?? 0)]
    }
    var whole = try tiny.tuning("whole")
    whole.tasks = scoring
    let straight = try whole.run(.new)

    let stops = [batch, batch + 1, batch + 2]
    var (ending, mode, asked) = (FineTuning.Ending.stopped(step: 0), RunFolder.Mode.new, 0)
    var endings: [FineTuning.Ending] = []
    while ending != .finished {
      var part = try tiny.tuning("part")
      part.tasks = scoring
      part.abandonsMeasuring = {
        asked += 1
        return stops.contains(asked)
      }
      ending = try part.run(mode).ending
      mode = .resume
      endings.append(ending)
    }
    #expect(endings.count == 4)
    let part = try tiny.tuning("part")
    #expect(try TinyRun.metrics(part.folder) == TinyRun.metrics(whole.folder))
    #expect(bits(try ModelFiles(opening: part.folder.final).model()) == bits(straight.model))
    var (a, b) = (try RunSummary(path: part.folder.summary), try RunSummary(path: whole.folder.summary))
    (a.seconds, a.peakMemory, a.run, b.seconds, b.peakMemory, b.run) = (0, 0, nil, 0, 0, nil)
    #expect(a == b)
  }
}
