internal import Files
internal import Checkpoint
internal import Formats
internal import Foundation
internal import Models
internal import Tensors
internal import Text

extension FineTuning {
  /// Whether the folder holds a run that this one may go on from.
  ///
  /// - Throws: ``RunFolderError``, `RecipeError`, `FileError`, `FolderError`.
  func checkUnchanged() throws {
    try Self.checkUnchanged(recipe, folder, extends: extends)
    if extends { try Self.checkExtension(recipe, folder, batcher) }
  }

  /// Whether a run that is to be resumed began with this recipe, harmless keys and places of files aside.
  ///
  /// - Parameters:
  ///   - recipe: The recipe now.
  ///   - folder: The run's folder, wherever it is now.
  ///   - extends: Whether the run may have got more steps.
  /// - Throws: ``RunFolderError``, `RecipeError`.
  static func checkUnchanged(_ recipe: Recipe, _ folder: RunFolder, extends: Bool) throws {
    try checkUnchanged(
      recipe, try earlier(folder), in: folder.path, ignoring: extends ? Recipe.Difference.lengthKeys : [])
  }

  /// The recipe that the run in a folder has been following.
  private static func earlier(_ folder: RunFolder) throws -> Recipe {
    let text: String
    do throws(YAMLFile.Failure) {
      text = try YAMLFile.text(folder.recipe)
    } catch {
      if error.isMissing { throw RunFolderError.nothingToResume(path: folder.path, found: "no recipe.yaml in it") }
      throw RunFolderError.unreadable(path: folder.recipe, found: error.found)
    }
    return try Recipe.parse(text, file: folder.recipe, checksFiles: false)
  }

  private static func checkUnchanged(
    _ recipe: Recipe, _ earlier: Recipe, in place: String, ignoring keys: [String]
  ) throws {
    let changes = recipe.differences(from: earlier.following(recipe)).filter {
      !$0.isHarmless && !keys.contains($0.key)
    }
    if !changes.isEmpty { throw RunFolderError.changed(path: place, keys: changes.map(\.description)) }
  }

  /// Whether a recipe makes the run in a folder longer: it must have a state to go on from, and end with a whole step.
  ///
  /// - Throws: ``RunFolderError/extension(path:expected:found:advice:)``, and as above.
  static func checkExtension(_ recipe: Recipe, _ folder: RunFolder, _ batcher: Batcher) throws {
    let more = "a larger schedule.max_steps or schedule.epochs"
    let done = FileManager.default.fileExists(atPath: folder.summary) ? try RunSummary(path: folder.summary) : nil
    guard let saved = try folder.savedSteps().last else { throw nothingToExtend(folder) }
    if let done, done.stoppedEarly == true, saved == done.steps {
      throw RunFolderError.extension(
        path: folder.path, expected: "a run that made all its steps",
        found: "one that run.early_stopping ended after step \(saved)",
        advice: "another output with model=\(folder.final), where the moments begin at zero")
    }
    let earlier = try earlier(folder)
    let (before, now) = (stepCount(earlier, batcher), stepCount(recipe, batcher))
    guard now > saved, now >= before else {
      throw RunFolderError.extension(
        path: folder.path, expected: "more than \(counted(max(saved, before - 1), "step"))", found: "\(now)",
        advice: more)
    }
    let batches = microBatchCount(earlier, batcher) - (before - 1) * recipe.schedule.accumulation
    if saved == before, now > before, batches < recipe.schedule.accumulation {
      throw RunFolderError.extension(
        path: folder.path,
        expected: "a last step of schedule.accumulation = \(counted(recipe.schedule.accumulation, "micro-batch"))",
        found: "one of \(batches), where the epochs ended",
        advice: "another output with model=\(folder.final), where the moments begin at zero")
    }
  }

  /// The error of a folder without a state of the optimizer, as of `save.every: none`.
  static func nothingToExtend(_ folder: RunFolder) -> RunFolderError {
    let hasResult = FileManager.default.fileExists(atPath: folder.final)
    return .extension(
      path: folder.path, expected: "a checkpoint with the optimizer's state",
      found: hasResult ? "a result alone, as of save.every=none" : "none",
      advice: hasResult
        ? "another output with model=\(folder.final), where the moments begin at zero"
        : "without --extend, which begins a run")
  }

  /// What becomes of the learning rate where a run gets more steps, in words; nil where it gets none.
  ///
  /// To be asked before ``run(_:sinks:isStopRequested:)``, which records the new recipe.
  package func extensionWords() throws -> String? {
    guard extends, let step = try folder.savedSteps().last else { return nil }
    let before = Self.stepCount(try Self.earlier(folder), batcher)
    func rate(_ step: Int, of steps: Int) -> String {
      let schedule = LearningRateSchedule(
        name: recipe.schedule.name, warmupSteps: recipe.schedule.warmupSteps, steps: steps)
      return String(format: "%.3g", recipe.optimizer.learningRate * schedule.factor(at: step - 1))
    }
    return
      "trains on from step \(step) of \(before) to step \(steps), with moments and data order kept; the learning rate "
      + "follows schedule.name \(recipe.schedule.name.rawValue) over \(counted(steps, "step")): \(rate(step + 1, of: steps)) at step "
      + "\(step + 1), where it was \(rate(step, of: before)) at step \(step)"
  }

  /// The newest checkpoint, if it is one of this run: its recipe, its data, its identity, and a state that steps lead
  /// to.
  ///
  /// - Parameter marker: That of the folder, on the rank that writes.
  /// - Returns: Where the run stands.
  /// - Throws: ``RunFolderError``, `RecipeError`, `FileError`, `RoutingError`.
  func resumed(_ marker: FolderMarker?) throws -> State {
    guard let step = try folder.savedSteps().last else {
      throw RunFolderError.nothingToResume(path: folder.path, found: "no checkpoint in it")
    }
    let path = folder.checkpoint(step: step)
    let saved = try TrainingState(readingFrom: path, shard: shard)
    var order = batchOrder
    for file in [path] + (saved.best != nil && recipe.run.keepsBest ? [folder.best] : []) {
      guard let text = try ModelFiles.recipe(of: file) else { continue }
      let earlier = try Recipe.parse(text, file: file, checksFiles: false)
      // The recipe of the folder decides how long the run is, which may have become longer since.
      try Self.checkUnchanged(recipe, earlier, in: file, ignoring: Recipe.Difference.lengthKeys)
      if file == path { order = batcher.orderHash(steps: Self.microBatchCount(earlier, batcher)) }
    }
    guard saved.batchOrder == order else {
      throw RunFolderError.otherData(path: path, expected: saved.batchOrder, found: order)
    }
    try check(saved, step: step, path)
    let files = try ModelFiles(opening: path, over: base.path)
    if let marker { try RunIdentity.check(marker, saved.run, of: path, recipe: folder.recipe, summary: folder.summary) }
    guard files.adapters == adapters else {
      throw RunFolderError.changed(path: folder.path, keys: ["train: adapters on other experts, or of another size"])
    }
    var model = try files.model(shard: shard)
    try model.apply(routing)
    try spread(&model)
    model.train(recipe.train.fullRoles)
    try check(saved.moments, of: model, path)
    let optimizer = AdamW(
      learningRate: recipe.optimizer.learningRate, betas: (recipe.optimizer.betas[0], recipe.optimizer.betas[1]),
      epsilon: recipe.optimizer.epsilon, weightDecay: recipe.optimizer.weightDecay, step: saved.step,
      moments: saved.moments)
    return State(
      model: model, optimizer: optimizer, step: saved.step, tokens: saved.tokens, base: files.base,
      teacher: try teacher(of: model), deviceLimit: routing.deviceLimit,
      best: saved.best.map { BestValidation(step: $0.step, loss: $0.loss, stale: $0.stale) } ?? BestValidation())
  }
}
