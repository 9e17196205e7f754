internal import Checkpoint
internal import Models
internal import Tensors
internal import Text

extension FineTuning {
  /// Everything that a step changes.
  struct State {
    var model: LanguageModel
    var optimizer: AdamW
    var step = 0
    var tokens = 0
    /// Identity of the run, on the rank that writes.
    var run: String?
    /// What `step-N.h5` leaves to the base model; nil where it is complete.
    var base: BaseReference?
    /// The base model without a limit, for distillation; nil where there is none. Never changes.
    var teacher: LanguageModel?
    /// The limit that the model is under.
    var deviceLimit: Int?
    /// What validation has found so far.
    var best = BestValidation()
  }

  /// Puts the model under the limit of its next step.
  func applyLimit(_ state: inout State) throws {
    let limit = recipe.routing.deviceLimit(atStep: state.step)
    if limit != state.deviceLimit { try state.model.apply(routing.limited(to: limit)) }
    state.deviceLimit = limit
  }

  /// One optimizer step.
  ///
  /// - Parameters:
  ///   - state: What the step changes.
  ///   - schedule: The learning rate by step.
  /// - Returns: What was measured on the way.
  /// - Throws: ``TrainingError``.
  func advance(_ state: inout State, _ schedule: LearningRateSchedule) throws -> [Metric: Double] {
    let began = Clock.monotonic()
    if recipe.routing.deviceLimitSchedule != nil { try applyLimit(&state) }
    let range = microBatches(ofStep: state.step)
    let batches = range.map { batcher.batch(at: $0) }
    var meter = CommunicationMeter(
      routing.placement, topK: base.configuration.topK, nodes: recipe.parallel.nodes)
    let number = state.step + 1
    let (losses, gradients) = try TrainingStep(
      terms: terms, placement: routing.placement, teacher: state.teacher, ranks: ranks
    )(state.model, batches, step: number) { batch, pass, firstSequence in
      meter.add(batch, pass, firstSequence: firstSequence, ranks: ranks)
    }
    meter.endStep(ranks)
    let norm = try gradients.norm(of: state.model, step: number, ranks: ranks)
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
      .devicesPerToken: statistics.devicesPerToken, .chosenDevicesPerToken: statistics.chosenDevicesPerToken,
      .remoteCopies: statistics.remoteCopies,
      .naiveRemoteCopies: statistics.naiveRemoteCopies, .intraShare: statistics.intraShare,
      .imbalanceRows: statistics.imbalanceRows, .imbalanceWire: statistics.imbalanceWire,
    ]
    values[.aux] = losses.auxiliary
    values[.z] = losses.z
    values[.collaboration] = losses.collaboration
    values[.distillationRouter] = losses.routerDivergence
    values[.distillationLogits] = losses.predictionDivergence
    values[.deviceLimit] = state.deviceLimit.map { Double($0) }
    values[.retainedMass] = statistics.retainedMass
    values[.nodesPerToken] = statistics.nodesPerToken
    values[.copiesBetweenNodes] = statistics.copiesBetweenNodes
    values[.copiesInsideNodes] = statistics.copiesInsideNodes
    return values
  }

  private var terms: LossTerms {
    guard let kind = AuxiliaryLoss(rawValue: recipe.loss.aux.kind.rawValue) else {
      preconditionFailure("FineTuning: auxiliary losses of recipes and of Models differ")
    }
    var terms = LossTerms(
      auxiliary: kind, auxiliaryCoefficient: recipe.loss.aux.coefficient, zCoefficient: recipe.loss.z)
    terms.collaborationCoefficient = recipe.loss.collaboration
    terms.collaborationTemperature = recipe.loss.collaborationTemperature
    terms.routerCoefficient = recipe.loss.distillation.router
    terms.predictionCoefficient = recipe.loss.distillation.logits
    terms.temperature = recipe.loss.distillation.temperature
    return terms
  }
}
