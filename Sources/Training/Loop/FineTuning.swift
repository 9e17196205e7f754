internal import Collaboration
internal import Foundation
public import Checkpoint
public import Models
internal import Tensors
internal import Text

/// One fine-tuning run: from a base model, data and a routing rule to a trained model and its record.
///
/// Standard fine-tuning is the same loop without a limit. A step depends on nothing but the weights, the optimizer's
/// moments and its number, so a resumed run gives the same bits as one that was never stopped.
public struct FineTuning {
  /// The resolved recipe.
  public let recipe: Recipe
  /// The base model's files, for everything that is carried along.
  public let base: ModelFiles
  /// Placement and limit.
  public let routing: RoutingSettings
  /// What is trained on and measured.
  public let data: TrainingData
  /// Where the run is recorded.
  public let folder: RunFolder
  /// Name and version of the program, for the record.
  public let program: String

  private let batcher: Batcher
  /// Optimizer steps of the whole run.
  public let steps: Int

  /// A run that is ready to begin.
  ///
  /// - Parameters:
  ///   - recipe: The resolved recipe.
  ///   - base: The base model's files.
  ///   - routing: Placement and limit.
  ///   - data: Tokenised training and validation data.
  ///   - folder: Where the run is recorded.
  ///   - program: Name and version of the program.
  public init(
    recipe: Recipe, base: ModelFiles, routing: RoutingSettings, data: TrainingData, folder: RunFolder, program: String
  ) {
    (self.recipe, self.base, self.routing, self.data, self.folder) = (recipe, base, routing, data, folder)
    self.program = program
    batcher = Self.batcher(recipe, data)
    steps = Self.stepCount(recipe, batcher)
  }

  /// Batches in the order of the recipe's seed.
  static func batcher(_ recipe: Recipe, _ data: TrainingData) -> Batcher {
    Batcher(
      documents: data.train,
      options: .init(
        maxTokens: recipe.data.maxTokens, batchTokens: recipe.schedule.batchTokens, packing: recipe.data.packing,
        seed: UInt64(recipe.run.seed)))
  }

  /// Optimizer steps: all epochs' batches in groups of `accumulation`, at most `max_steps`.
  static func stepCount(_ recipe: Recipe, _ batcher: Batcher) -> Int {
    let batches = batcher.stepCount(epochs: recipe.schedule.epochs)
    let steps = (batches + recipe.schedule.accumulation - 1) / recipe.schedule.accumulation
    return min(steps, recipe.schedule.maxSteps ?? steps)
  }

  /// Identity of the order of batches over the whole run.
  public var batchOrder: String { batcher.orderHash(steps: microBatches(before: steps)) }

  /// How a run ended.
  public enum Ending: Sendable, Equatable {
    /// All steps are done and `final.h5` is written.
    case finished
    /// A signal asked to stop; the checkpoint after this step is written.
    case stopped(step: Int)
  }

  /// Trains.
  ///
  /// - Parameters:
  ///   - mode: What to do with a folder that exists.
  ///   - extra: Further sinks beside the run folder's own, such as the console.
  ///   - isStopRequested: Asked after every step.
  /// - Returns: How it ended, and the trained model.
  /// - Throws: ``RunFolderError``, ``TrainingError``, `FileError`, `MetricError`, `RoutingError`.
  public func run(
    _ mode: RunFolder.Mode, sinks extra: [any MetricSink] = [], isStopRequested: () -> Bool = { false }
  ) throws -> (ending: Ending, model: LanguageModel) {
    if mode == .resume { try checkRecipe() }
    try folder.prepare(mode)
    var state = try mode == .resume ? resumed() : begun()
    let sinks = MetricSinks(
      [
        try JSONLinesSink(path: folder.metrics, resumedStep: mode == .resume ? state.step : nil),
        try TensorBoardSink(folder: folder.path, resumedStep: mode == .resume ? state.step : nil),
      ] + extra)
    if mode != .resume {
      try folder.write(recipe.yaml(), to: folder.recipe)
      try sinks.logConfig(recipe.yaml())
      try measureBefore(state, sinks)
    }
    let schedule = LearningRateSchedule(
      name: recipe.schedule.name, warmupSteps: recipe.schedule.warmupSteps, steps: steps)
    let began = Clock.monotonic()
    var validation: Double?
    while state.step < steps {
      var values = try advance(&state, schedule)
      values[.seconds] = Clock.monotonic() - began
      if isEvaluationDue(state.step), let loss = validationLoss(state.model) {
        (validation, values[.validationCE]) = (loss, loss)
      }
      try sinks.log(step: state.step, values: values)
      let stop = isStopRequested() && state.step < steps
      if stop || recipe.save.every.map({ state.step % $0 == 0 && state.step < steps }) ?? false { try save(state) }
      if stop {
        try sinks.close()
        return (.stopped(step: state.step), state.model)
      }
    }
    try sinks.close()
    try saveFinal(state.model)
    try summarize(state, seconds: Clock.monotonic() - began, validation: validation)
    return (.finished, state.model)
  }

  // MARK: One step

  /// Everything that a step changes.
  struct State {
    var model: LanguageModel
    var optimizer: AdamW
    var step = 0
    var tokens = 0
  }

  /// Micro-batches that come before a step.
  private func microBatches(before step: Int) -> Int {
    min(step * recipe.schedule.accumulation, batcher.stepCount(epochs: recipe.schedule.epochs))
  }

  private func advance(_ state: inout State, _ schedule: LearningRateSchedule) throws -> [Metric: Double] {
    let began = Clock.monotonic()
    let range = microBatches(before: state.step)..<microBatches(before: state.step + 1)
    let batches = range.map { batcher.batch(at: $0) }
    var meter = CommunicationMeter(routing.placement, topK: base.configuration.topK)
    var firstSequence = 0
    let number = state.step + 1
    let (losses, gradients) = try TrainingStep(terms: terms)(state.model, batches, step: number) { batch, pass in
      meter.add(batch, pass, firstSequence: firstSequence)
      firstSequence += batch.sequences.count
    }
    meter.endStep()
    let norm = try gradients.norm(of: state.model, step: number)
    let factor = schedule.factor(at: state.step)
    state.optimizer.learningRate = recipe.optimizer.learningRate * factor
    state.optimizer.routerLearningRate = recipe.train.routerLearningRate.map { $0 * factor }
    let scale = recipe.optimizer.clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
    state.optimizer.update(&state.model, gradients, scale: scale)
    state.step = number
    state.tokens += losses.tokens
    let statistics = meter.counter.statistics()
    var values: [Metric: Double] = [
      .tokens: Double(state.tokens),
      .epoch: Double(batcher.position(ofStep: range.lowerBound).epoch),
      .loss: losses.total, .ce: losses.crossEntropy, .lr: state.optimizer.learningRate, .gradNorm: norm,
      .tokensPerSecond: Double(losses.tokens) / max(Clock.monotonic() - began, 1e-9),
      .peakMemory: Double(Memory.peakResidentBytes),
      .devicesPerToken: statistics.devicesPerToken, .remoteCopies: statistics.remoteCopies,
      .naiveRemoteCopies: statistics.naiveRemoteCopies, .intraShare: statistics.intraShare,
      .imbalanceRows: statistics.imbalanceRows, .imbalanceWire: statistics.imbalanceWire,
    ]
    values[.aux] = losses.auxiliary
    values[.z] = losses.z
    values[.retainedMass] = statistics.retainedMass
    return values
  }

  private var terms: LossTerms {
    guard let kind = AuxiliaryLoss(rawValue: recipe.loss.aux.kind.rawValue) else {
      preconditionFailure("FineTuning: auxiliary losses of recipes and of Models differ")
    }
    return LossTerms(
      auxiliary: kind, auxiliaryCoefficient: recipe.loss.aux.coefficient, zCoefficient: recipe.loss.z)
  }

  // MARK: Measuring

  private func isEvaluationDue(_ step: Int) -> Bool {
    step == steps || recipe.run.evaluateEvery.map { step % $0 == 0 } ?? false
  }

  private func validationLoss(_ model: LanguageModel) -> Double? {
    guard !data.validation.isEmpty else { return nil }
    var meter: CommunicationMeter?
    return HeldOutLoss.mean(
      HeldOutLoss.score(model, data.validation, batchTokens: recipe.schedule.batchTokens, meter: &meter))
  }

  private func measureBefore(_ state: State, _ sinks: MetricSinks) throws {
    guard recipe.run.evaluateEvery != nil, let loss = validationLoss(state.model) else { return }
    try sinks.log(step: 0, values: [.validationCE: loss])
  }

  // MARK: Beginning, saving, going on

  /// Roles that train.
  public static func trainedRoles(_ train: Recipe.TrainRoles) -> Set<Role> {
    let modes: [(Role, Recipe.TrainMode)] = [
      (.attention, train.attention), (.experts, train.experts), (.router, train.router),
      (.sharedExperts, train.sharedExperts), (.embeddings, train.embeddings), (.norms, train.norms),
    ]
    return Set(modes.filter { $0.1 == .full }.map(\.0))
  }

  private func begun() throws -> State {
    var model = try base.model()
    try model.apply(routing)
    model.train(Self.trainedRoles(recipe.train))
    let optimizer = AdamW(
      learningRate: recipe.optimizer.learningRate, betas: (recipe.optimizer.betas[0], recipe.optimizer.betas[1]),
      epsilon: recipe.optimizer.epsilon, weightDecay: recipe.optimizer.weightDecay)
    return State(model: model, optimizer: optimizer)
  }

  private func checkRecipe() throws {
    guard let text = try? String(contentsOfFile: folder.recipe, encoding: .utf8) else {
      throw RunFolderError.nothingToResume(path: folder.path, found: "no recipe.yaml in it")
    }
    let earlier = try Recipe.parse(text, file: folder.recipe, checksFiles: false)
    let changes = recipe.differences(from: earlier).filter { !$0.isHarmless }
    if !changes.isEmpty { throw RunFolderError.changed(path: folder.path, keys: changes.map(\.description)) }
  }

  private func resumed() throws -> State {
    guard let step = folder.savedSteps().last else {
      throw RunFolderError.nothingToResume(path: folder.path, found: "no checkpoint in it")
    }
    let path = folder.checkpoint(step: step)
    let saved = try TrainingState(readingFrom: path)
    guard saved.batchOrder == batchOrder else {
      throw RunFolderError.otherData(path: path, expected: saved.batchOrder, found: batchOrder)
    }
    var model = try ModelFiles(opening: path).model()
    try model.apply(routing)
    model.train(Self.trainedRoles(recipe.train))
    let optimizer = AdamW(
      learningRate: recipe.optimizer.learningRate, betas: (recipe.optimizer.betas[0], recipe.optimizer.betas[1]),
      epsilon: recipe.optimizer.epsilon, weightDecay: recipe.optimizer.weightDecay, step: saved.step,
      moments: saved.moments)
    return State(model: model, optimizer: optimizer, step: saved.step, tokens: saved.tokens)
  }

  private func save(_ state: State) throws {
    var extras = extras
    extras.training = TrainingState(
      step: state.step, tokens: state.tokens, batchOrder: batchOrder, moments: state.optimizer.moments)
    try CheckpointWriter.write(
      folder.checkpoint(step: state.step), weights: ModelBytes(state.model), extras: extras, program: program)
    folder.rotate(keep: recipe.save.keep)
  }

  private func saveFinal(_ model: LanguageModel) throws {
    let types = Dictionary(uniqueKeysWithValues: try base.inventory().map { ($0.path.name, $0.type) })
    let dtype = recipe.save.dtype.flatMap { name in ElementType.allCases.first { $0.description == name.rawValue } }
    try CheckpointWriter.write(
      folder.final, weights: ModelBytes(model, types: types), dtype: dtype, extras: extras, program: program)
  }

  private var extras: CheckpointExtras {
    var extras = CheckpointExtras(base)
    extras.routing = routing
    extras.recipeYAML = recipe.yaml()
    return extras
  }

  private func summarize(_ state: State, seconds: Double, validation: Double?) throws {
    let counts = state.model.parameterCounts
    let trained = Self.trainedRoles(recipe.train)
    let summary = RunSummary(
      program: program, recipeHash: recipe.contentHash(), model: base.path, seed: recipe.run.seed, steps: state.step,
      tokens: state.tokens, batchOrder: batchOrder, seconds: seconds, peakMemory: Memory.peakResidentBytes,
      trainedParameters: counts.reduce(into: [:]) { if trained.contains($1.key) { $0[$1.key.rawValue] = $1.value } },
      validationLoss: validation)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    try folder.write(String(decoding: try encoder.encode(summary), as: UTF8.self) + "\n", to: folder.summary)
  }
}

/// `summary.json`: what a run did, in numbers.
public struct RunSummary: Codable, Sendable, Equatable {
  /// Name and version of the program.
  public var program: String
  /// Identity of what the recipe computes.
  public var recipeHash: String
  /// Path of the base model.
  public var model: String
  /// Seed of data order and random policies.
  public var seed: Int
  /// Optimizer steps done.
  public var steps: Int
  /// Tokens trained on.
  public var tokens: Int
  /// Identity of the order of batches.
  public var batchOrder: String
  /// Time of the run, or of its last part after a resume.
  public var seconds: Double
  /// Highest resident memory in bytes.
  public var peakMemory: Int
  /// Trained parameters by role.
  public var trainedParameters: [String: Int]
  /// Last validation loss in nats per token; nil without validation data.
  public var validationLoss: Double?
}
