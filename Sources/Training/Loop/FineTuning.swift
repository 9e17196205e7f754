internal import Host
package import Files
public import Checkpoint
public import ExpertParallel
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
  /// Adapters that train; nil for none.
  public let adapters: AdapterSettings?
  /// What is trained on and measured.
  public let data: TrainingData
  /// Where the run is recorded.
  public let folder: RunFolder
  /// Name and version of the program, for the record.
  public let program: String
  /// The processes that train together, one a device; one alone plays all devices.
  public let ranks: any Communicator

  /// The folder as the caller took it, on the rank that writes; nil where ``run(_:sinks:isStopRequested:)`` is to take
  /// it.
  package var claim: OutputFolder.Claim?
  /// Scores tasks after some of the steps; nil for none.
  public var tasks: TaskScoring?
  /// Asked between batches of what is measured after a step: whether it is given up for a checkpoint, from which it is
  /// done anew.
  package var abandonsMeasuring: (() -> Bool)?
  /// Whether a run that goes on may have more steps than before.
  package var extends = false

  /// Optimizer steps of the whole run.
  public let steps: Int
  /// Identity of the order of batches over the whole run; computed when it is first asked for.
  public var batchOrder: String { batcher.orderHash(steps: microBatches) }
  let batcher: Batcher
  /// Micro-batches of all steps.
  private let microBatches: Int

  /// A run that is ready to begin.
  ///
  /// - Parameters:
  ///   - recipe: The resolved recipe.
  ///   - base: The base model's files.
  ///   - routing: Placement and limit.
  ///   - adapters: Adapters that train; nil for none.
  ///   - data: Tokenised training and validation data.
  ///   - folder: Where the run is recorded.
  ///   - program: Name and version of the program.
  ///   - ranks: The processes that train together: one, or as many as devices.
  public init(
    recipe: Recipe, base: ModelFiles, routing: RoutingSettings, adapters: AdapterSettings? = nil, data: TrainingData,
    folder: RunFolder, program: String, ranks: any Communicator = SingleProcess()
  ) {
    precondition(
      ranks.size == 1 || ranks.size == routing.placement.devices,
      "FineTuning: \(ranks.size) ranks for \(routing.placement.devices) devices")
    precondition(
      Set(recipe.train.adaptedRoles.keys) == Set(adapters.map { Array($0.roles.keys) } ?? []),
      "FineTuning: adapters of other roles than the recipe's")
    self.adapters = adapters
    (self.recipe, self.base, self.routing, self.data, self.folder) = (recipe, base, routing, data, folder)
    (self.program, self.ranks) = (program, ranks)
    batcher = Self.batcher(recipe, data)
    microBatches = Self.microBatchCount(recipe, batcher)
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
    let batches = microBatchCount(recipe, batcher)
    return (batches + recipe.schedule.accumulation - 1) / recipe.schedule.accumulation
  }

  /// Micro-batches of all these steps. Epochs that `max_steps` leaves out are not looked at.
  static func microBatchCount(_ recipe: Recipe, _ batcher: Batcher) -> Int {
    batcher.stepCount(
      epochs: recipe.schedule.epochs,
      atMost: recipe.schedule.maxSteps.map { $0 * recipe.schedule.accumulation } ?? .max)
  }

  /// Micro-batches of a step, counted from 0.
  func microBatches(ofStep step: Int) -> Range<Int> {
    let size = recipe.schedule.accumulation
    return min(step * size, microBatches)..<min((step + 1) * size, microBatches)
  }

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
  /// - Throws: ``RunFolderError``, ``TrainingError``, `FolderError`, `FileError`, `MetricError`, `RoutingError`.
  public func run(
    _ mode: RunFolder.Mode, sinks extra: [any MetricSink] = [], isStopRequested: () -> Bool = { false }
  ) throws -> (ending: Ending, model: LanguageModel) {
    defer { StopSignal.endsAtOnce = true }
    if mode == .resume { try checkUnchanged() }
    let claim = ranks.rank == 0 ? try self.claim ?? folder.claim(mode, program: program) : nil
    defer { withExtendedLifetime(claim) {} }
    // What a kill kept from going.
    if mode == .resume, ranks.rank == 0 { try folder.rotate(keep: recipe.save.keep) }
    ranks.barrier()
    var state = try mode == .resume ? resumed(claim?.marker) : begun()
    state.run = claim?.marker.identity
    state.model.recomputesActivations = recipe.run.activationCheckpointing
    let resumedStep = mode == .resume ? state.step : nil
    let record = try claim.flatMap { claim in
      try resumedStep.map {
        try MetricsRecord(
          path: folder.metrics, upTo: $0, run: claim.marker.identity, isAdopted: claim.marker.isAdopted)
      }
    }
    let missing = unmeasured(record)
    // Figures are the same on all ranks; one writes them down. A step that is measured anew is recorded anew.
    let sinks = MetricSinks(
      ranks.rank > 0
        ? []
        : [
          try JSONLinesSink(
            path: folder.metrics, run: state.run,
            keeping: missing == nil ? record?.keptBytes : record?.bytesBeforeLast),
          try TensorBoardSink(folder: folder.path, resumedStep: resumedStep.map { missing == nil ? $0 : $0 - 1 }),
        ] + extra)
    let (began, sent) = (Clock.monotonic(), ranks.traffic)
    var result: (ending: Ending, validation: Validation?)
    do {
      if mode != .resume || extends {
        if let marker = claim?.marker {
          try TextFile.write(RunIdentity.line(marker.identity) + recipe.yaml(), to: folder.recipe)
        }
        try sinks.logConfig(recipe.yaml())
      }
      if mode != .resume, recipe.run.evaluateEvery != nil,
        let result = try validated(state.model, under: routing, unless: nil)
      {
        try sinks.log(
          step: 0, values: result.values,
          tasks: recipe.tasks.every == nil ? [:] : try scores(state.model, unless: nil))
      }
      // From here on a step is finished and saved; before, there is nothing to save.
      StopSignal.endsAtOnce = false
      result = try loop(&state, sinks, from: missing, began: began, isStopRequested: isStopRequested)
    } catch {
      try? sinks.close()  // the failure that is on its way says more
      throw error
    }
    if result.ending == .finished { try sinks.sync() }
    try sinks.close()
    if result.ending == .finished {
      do {
        return (.finished, try finish(state, result.validation, seconds: Clock.monotonic() - began, sent: sent))
      } catch is MeasuringAbandoned {
        if try !folder.savedSteps().contains(state.step) { try save(&state) }
        result.ending = .stopped(step: state.step)
      }
    }
    return (result.ending, state.model)
  }

  /// What validation found.
  struct Validation {
    /// In nats per counted token.
    let loss: Double
    /// C_T.
    let devicesPerToken: Double

    /// As metrics.
    var values: [Metric: Double] { [.validationCE: loss, .validationDevicesPerToken: devicesPerToken] }
  }

  /// Loss and C_T on validation data under a routing of its own, which a schedule of limits does not change; nil
  /// without data.
  ///
  /// - Throws: ``MeasuringAbandoned``, ``TrainingError/validation(value:)``.
  func validated(
    _ model: LanguageModel, under routing: RoutingSettings, unless isAbandoned: (() -> Bool)?
  ) throws -> Validation? {
    var model = model
    try model.apply(routing)
    var meter: CommunicationMeter? = CommunicationMeter(routing.placement, topK: base.configuration.topK)
    let documents = try HeldOutLoss.score(
      model, data.validation, batchTokens: recipe.schedule.batchTokens, meter: &meter, ranks: ranks
    ) { _ in
      if let isAbandoned, ranks.agreeToStop(isAbandoned()) { throw MeasuringAbandoned() }
    }
    guard let loss = HeldOutLoss.mean(documents), let meter else { return nil }
    guard loss.isFinite else { throw TrainingError.validation(value: "\(loss)") }
    return Validation(loss: loss, devicesPerToken: meter.counter.statistics().devicesPerToken)
  }
}
