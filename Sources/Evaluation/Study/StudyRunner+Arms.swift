internal import Checkpoint
internal import ExpertParallel
internal import Formats
internal import Foundation
internal import Models
internal import Training

extension StudyRunner {
  /// Trains and measures every arm from every seed, one seed after the other; what is done already is kept.
  ///
  /// - Returns: Runs with their cells in the order of arms, then seeds; the learning rates that were chosen.
  func trained(_ ground: StudyGround) throws -> (arms: [(run: ArmRun, cells: [Cell])], rates: [String: Double]) {
    var rates: [String: Double] = [:]
    var arms: [(run: ArmRun, cells: [Cell])] = []
    for seed in seeds {
      for arm in recipe.study.arms {
        let choosesRate = recipe.study.learningRates.count > 1 && seed == seeds[0]
        if choosesRate { rates[arm.name] = try bestRate(arm, ground) }
        let run = try run(arm, seed: seed, rate: rates[arm.name], ground)
        if !choosesRate { try train(run) }
        let cells = try measured(run, ground) { try weights(run, ground) }
        if !recipe.study.keepsCheckpoints { try discardWeights(run) }
        arms.append((run, cells))
      }
    }
    let order = Dictionary(uniqueKeysWithValues: recipe.study.arms.enumerated().map { ($1.name, $0) })
    return (arms.sorted { order[$0.run.name, default: 0] < order[$1.run.name, default: 0] }, rates)
  }

  /// The cells of an arm from one seed, and its tasks scored.
  func measured(_ arm: ArmRun, _ ground: StudyGround, weights: () throws -> LanguageModel) throws -> [Cell] {
    var model: LanguageModel?
    func loaded() throws -> LanguageModel {
      let loaded = try model ?? weights()
      model = loaded
      return loaded
    }
    let cells = try cells(arm, ground, weights: loaded)
    try score(arm, ground, weights: loaded)
    return cells
  }

  /// Trains an arm from the first seed at each learning rate and takes the one with the lowest loss on validation data.
  private func bestRate(_ arm: Recipe.Arm, _ ground: StudyGround) throws -> Double {
    var best: (loss: Double, rate: Double)?
    for rate in recipe.study.learningRates {
      let run = try run(arm, seed: seeds[0], rate: rate, ground)
      try train(run)
      // The first rank has the summary.
      let loss = ranks.sum([ranks.rank == 0 ? try run.summary().validationLoss ?? .infinity : 0])[0]
      console.say("\(arm.name): learning rate \(rate): validation loss \(loss)")
      if best.map({ loss < $0.loss }) ?? true { best = (loss, rate) }
    }
    guard let best else { preconditionFailure("StudyRunner: no learning rate for arm \(arm.name)") }
    if !recipe.study.keepsCheckpoints {
      for rate in recipe.study.learningRates where rate != best.rate {
        try discardWeights(try run(arm, seed: seeds[0], rate: rate, ground))
      }
    }
    return best.rate
  }

  /// Says how many arms took a rate at an end of the list: a better one may lie beyond it.
  func sayEnds(_ rates: [String: Double]) {
    let grid = recipe.study.learningRates
    for (rate, end) in [(grid.min(), "lowest"), (grid.max(), "highest")] {
      let count = rates.values.count { $0 == rate }
      if let rate, count > 0 {
        console.say(
          "study.learning_rates: \(count) of \(counted(rates.count, "arm")) took the \(end), \(rate); one beyond it may be better"
        )
      }
    }
  }

  /// The run of an arm from a seed, at `rate` where rates are chosen.
  private func run(_ arm: Recipe.Arm, seed: Int, rate: Double?, _ ground: StudyGround) throws -> ArmRun {
    var recipe = try self.recipe.arm(arm.name)
    let rule = rules.first { $0.recipe.routing == recipe.routing }
    recipe.run.seed = seed
    if let rate = rate ?? self.recipe.study.learningRates.first { recipe.optimizer.learningRate = rate }
    var path = folder.arm(arm.name)
    if seeds.count > 1 { path += "/seed-\(seed)" }
    if let rate { path += "/rate-\(rate)" }
    var routing = ground.settings(rule) ?? ground.unlimited
    routing.seed = UInt64(seed)
    var tuning = FineTuning(
      recipe: recipe, base: base, routing: routing,
      adapters: try AdapterPlan.settings(recipe, base.configuration) {
        guard let profile = ground.profile else { preconditionFailure("StudyRunner: adapted experts on ranks") }
        return profile
      }, data: data, folder: RunFolder(path), program: program, ranks: ranks)
    tuning.abandonsMeasuring = console.isStopRequested
    tuning.tasks = tasks?.scoring(ranks)
    let key = baseKey.adding(recipe.contentHash()).adding(ground.placement.json).adding(tuning.batchOrder).text
    return ArmRun(name: arm.name, rule: rule, seed: seed, key: key, tuning: tuning)
  }

  /// Whether a run's folder holds the finished run of this key.
  private func isFinished(_ tuning: FineTuning, key: String) -> Bool {
    isBegun(tuning, key: key) && FileManager.default.fileExists(atPath: tuning.folder.summary)
  }

  private func isBegun(_ tuning: FineTuning, key: String) -> Bool {
    folder.cached(marker(tuning), key: key, as: String.self) != nil
  }

  private func marker(_ tuning: FineTuning) -> String { tuning.folder.path + "/arm.json" }

  /// Trains a run to its end, unless it is finished; a run that was stopped goes on.
  private func train(_ arm: ArmRun) throws {
    guard let tuning = arm.tuning else { return }
    let title = arm.title(of: seeds)
    if agreed(isFinished(tuning, key: arm.key)) { return console.say("\(title): kept from an earlier run") }
    let line = console.progress("train \(title)", tuning.steps, "steps")
    let hasCheckpoint = try !tuning.folder.savedSteps().isEmpty
    let resumes = agreed(isBegun(tuning, key: arm.key) && hasCheckpoint)
    let sinks: [any MetricSink] = [ConsoleSink(progress: line, shown: [.ce, .validationCE, .tokensPerSecond])]
    if !resumes {
      try folder.beginArm(tuning.folder, program: program)
      try folder.keep(arm.name, key: arm.key, in: marker(tuning))
    }
    let (ending, _) = try tuning.run(resumes ? .resume : .prepared, sinks: sinks) { console.isStopRequested() }
    if case .stopped(let step) = ending {
      let seed = seeds.count > 1 ? arm.seed.map { ", seed \($0)" } ?? "" : ""
      throw StudyError.stopped(after: "step \(step) of arm '\(arm.name)'\(seed)")
    }
    // Asked for during the last step: the arm is whole.
    if agreed(console.isStopRequested()) { throw StudyError.stopped(after: "arm '\(arm.name)'") }
  }

  /// The weights of a finished run; trained again where they were not kept.
  private func weights(_ arm: ArmRun, _ ground: StudyGround) throws -> LanguageModel {
    guard let tuning = arm.tuning else { preconditionFailure("StudyRunner: the base has weights of its own") }
    if !agreed(FileManager.default.fileExists(atPath: tuning.folder.final)) {
      try folder.remove(file: tuning.folder.summary)
      ranks.barrier()
      try train(arm)
    }
    ranks.barrier()
    return try loaded(try ModelFiles(opening: tuning.folder.final), ground)
  }

  private func discardWeights(_ arm: ArmRun) throws {
    if let tuning = arm.tuning { try folder.remove(file: tuning.folder.final) }
  }
}
