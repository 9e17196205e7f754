internal import Checkpoint
internal import Collaboration
internal import Foundation
internal import Models
internal import Training

/// An arm whose weights are ready: the base, or a finished run.
struct TrainedArm {
  let name: String
  /// Limit it was trained under.
  let limit: Int?
  let policy: String
  let files: ModelFiles
  /// Its run folder; nil for the base.
  let run: RunFolder?
  /// Identity of its weights.
  var key = "base"

  /// Losses during fine-tuning.
  func curve() throws -> LossCurve? {
    guard let run else { return nil }
    struct Record: Decodable {
      let step: Int
      let tokens: Double?
      let ce: Double?
      let validation_ce: Double?
    }
    let lines = try String(contentsOfFile: run.metrics, encoding: .utf8).split(separator: "\n")
    let records = try lines.map { try JSONDecoder().decode(Record.self, from: Data($0.utf8)) }
    return LossCurve(
      arm: name,
      points: records.map {
        .init(step: $0.step, tokens: Int($0.tokens ?? 0), train: $0.ce, validation: $0.validation_ce)
      })
  }
}

extension StudyRunner {
  /// Trains an arm, or takes the finished run that has the same key; with several learning rates, the best on validation.
  func trained(
    _ arm: Recipe.Arm, _ placement: Placement, _ profile: CollaborationProfile
  ) throws -> TrainedArm {
    var recipe = try self.recipe.arm(arm.name)
    recipe.run.seed = self.recipe.run.seed
    let rates = recipe.study.learningRates.isEmpty ? [recipe.optimizer.learningRate] : recipe.study.learningRates
    var best: (loss: Double, arm: TrainedArm)?
    for rate in rates {
      recipe.optimizer.learningRate = rate
      let path = rates.count == 1 ? folder.arm(arm.name) : folder.arm(arm.name) + "/rate-\(rate)"
      let (trained, summary) = try run(arm.name, recipe, placement, profile, RunFolder(path))
      let loss = summary.validationLoss ?? .infinity
      if loss < best?.loss ?? .infinity || best == nil { best = (loss, trained) }
      if rates.count > 1 { console.say("\(arm.name): learning rate \(rate): validation loss \(loss)") }
    }
    guard let best else { preconditionFailure("StudyRunner: no learning rate for arm \(arm.name)") }
    return best.arm
  }

  private func run(
    _ name: String, _ recipe: Recipe, _ placement: Placement, _ profile: CollaborationProfile, _ run: RunFolder
  ) throws -> (TrainedArm, RunSummary) {
    let routing = try settings(recipe, placement, profile)
    let adapters = try AdapterPlan.settings(recipe, base.configuration) { profile }
    let tuning = FineTuning(
      recipe: recipe, base: base, routing: routing, adapters: adapters, data: data, folder: run, program: program)
    let key = armKey(recipe, placement, tuning.batchOrder)
    let marker = run.path + "/arm.json"
    let mine = folder.cached(marker, key: key, as: String.self) != nil
    if mine, FileManager.default.fileExists(atPath: run.final), let summary = try? RunSummary(path: run.summary) {
      console.say("\(name): kept from an earlier run")
      return (try arm(name, recipe, run, key), summary)
    }
    let line = console.progress("train \(name)", tuning.steps, "steps")
    let mode: RunFolder.Mode = mine && !run.savedSteps().isEmpty ? .resume : .overwrite
    let sinks: [any MetricSink] = [ConsoleSink(progress: line, shown: [.ce, .validationCE, .tokensPerSecond])]
    if mode == .overwrite {
      try run.prepare(.overwrite)
      try folder.keep(name, key: key, in: marker)
    }
    let (ending, _) = try tuning.run(mode == .resume ? .resume : .prepared, sinks: sinks) { console.isStopRequested() }
    if case .stopped(let step) = ending { throw StudyError.stopped(after: "step \(step) of arm '\(name)'") }
    return (try arm(name, recipe, run, key), try RunSummary(path: run.summary))
  }

  /// Routing of an arm; a budget of devices is spent on profile text.
  private func settings(
    _ recipe: Recipe, _ placement: Placement, _ profile: CollaborationProfile
  ) throws -> RoutingSettings {
    let settings = try RoutingPlan.settings(recipe, placement) { profile }
    guard let budget = recipe.routing.limitBudget else { return settings }
    return try LimitSearch(model, settings, documents: data.profile, batchTokens: recipe.schedule.batchTokens)
      .run(budget: budget).settings
  }

  private func arm(_ name: String, _ recipe: Recipe, _ run: RunFolder, _ key: String) throws -> TrainedArm {
    let devices = recipe.routing.devices
    let limit = recipe.routing.deviceLimit.flatMap { $0 < devices ? $0 : nil }
    return TrainedArm(
      name: name, limit: limit, policy: recipe.routing.policy.rawValue, files: try ModelFiles(opening: run.final),
      run: run, key: key)
  }
}
