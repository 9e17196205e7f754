internal import Files
internal import Checkpoint
internal import ExpertParallel
internal import Models
internal import Tensors

extension FineTuning {
  /// The base model before the first step.
  func begun() throws -> State {
    var model = try base.model(shard: shard)
    try model.apply(routing)
    try spread(&model)
    if let adapters {
      model.attach(shard?.ownAdapters ?? adapters, seed: UInt64(recipe.run.seed)) { shard?.entries(of: $0.name) }
    }
    model.train(recipe.train.fullRoles)
    let optimizer = AdamW(
      learningRate: recipe.optimizer.learningRate, betas: (recipe.optimizer.betas[0], recipe.optimizer.betas[1]),
      epsilon: recipe.optimizer.epsilon, weightDecay: recipe.optimizer.weightDecay)
    return State(
      model: model, optimizer: optimizer, base: try reference(model), teacher: try teacher(of: model),
      deviceLimit: routing.deviceLimit)
  }

  /// What `step-N.h5` leaves to the base model: all that does not train, where that is more than half or adapters
  /// train.
  private func reference(_ model: LanguageModel) throws(FileError) -> BaseReference? {
    // Of the whole model, of which a rank holds a part.
    let counts = try base.inventory().reduce(into: [Role: Int]()) { $0[$1.path.role, default: 0] += $1.count }
    let trained = recipe.train.fullRoles.intersection(counts.keys)
    let stored = trained.reduce(0) { $0 + counts[$1, default: 0] }
    guard base.base == nil, adapters != nil || 2 * stored < counts.values.reduce(0, +) else { return nil }
    return try BaseReference(base, stored: trained)
  }

  /// Writes a checkpoint, partial where little trains, and removes old ones.
  ///
  /// - Throws: ``TrainingError/weight(step:parameter:)``: what cannot be loaded is not written.
  func save(_ state: inout State) throws {
    try checkWeights(state)
    var extras = extras
    extras.training = TrainingState(
      step: state.step, tokens: state.tokens, batchOrder: batchOrder, moments: state.optimizer.moments)
    extras.training?.assemble = assemble
    extras.training?.run = state.run
    extras.training?.best = state.best.step.map { .init(step: $0, loss: state.best.loss, stale: state.best.stale) }
    extras.base = state.base
    try write(state.model, extras, to: folder.checkpoint(step: state.step))
    if ranks.rank == 0 { try folder.rotate(keep: recipe.save.keep) }
  }

  /// Writes the result: complete, or adapters and what trained fully over the base model.
  func saveFinal(_ state: State) throws { try saveResult(state, to: folder.final) }

  private func saveResult(_ state: State, to path: String) throws {
    try checkWeights(state)
    let types = Dictionary(uniqueKeysWithValues: try base.inventory().map { ($0.path.name, $0.type) })
    let dtype = recipe.save.dtype.flatMap { name in ElementType.allCases.first { $0.description == name.rawValue } }
    var extras = extras
    if adapters != nil { extras.base = state.base }
    try write(state.model, types: types, dtype: dtype, extras, to: path)
  }

  /// Writes the model of the best validation so far.
  func saveBest(_ state: State) throws { try saveResult(state, to: folder.best) }

  /// Makes the model of the best validation the result.
  ///
  /// - Returns: The model as it is stored.
  func finishWithBest() throws -> LanguageModel {
    if ranks.rank == 0 { try folder.finishWithBest() }
    ranks.barrier()
    var model = try ModelFiles(opening: folder.final, over: base.path).model(shard: shard)
    try model.apply(routing)
    try spread(&model)
    return model
  }

  private func checkWeights(_ state: State) throws(TrainingError) {
    var broken: String?
    state.model.forEachParameter { path, parameter in
      if broken == nil, parameter.isTracked, !parameter.isFinite { broken = path.name }
    }
    if let broken { throw .weight(step: state.step, parameter: broken) }
  }

  private var extras: CheckpointExtras {
    var extras = CheckpointExtras(base)
    extras.routing = routing
    extras.recipeYAML = recipe.yaml()
    extras.adapters = adapters
    return extras
  }

  /// Writes what the run did; `sent` is what left this rank meanwhile.
  func summarize(_ state: State, seconds: Double, validation: Validation?, sent: WireTraffic) throws {
    // Under the rule that the model was trained with, and as it would run without any.
    let unlimited = try validated(state.model, under: routing.unlimited, unless: abandonsMeasuring)
    let trained = trainedCounts(state.model)
    let memory = ranks.figures(Memory.peakResidentBytes)
    let bytes = sentBytes(sent)
    let summary = RunSummary(
      run: state.run, program: program, recipeHash: recipe.contentHash(), model: base.path, seed: recipe.run.seed,
      steps: state.step,
      tokens: state.tokens, batchOrder: batchOrder, seconds: seconds, peakMemory: memory.max() ?? 0,
      rankMemory: ranks.size > 1 ? memory : nil, sentBytes: bytes,
      trainedParameters: trained.reduce(into: [:]) { $0[$1.key.rawValue] = $1.value },
      validationLoss: validation?.loss, bestStep: recipe.run.keepsBest ? state.best.step : nil,
      stoppedEarly: recipe.run.earlyStopping == nil ? nil : state.step < steps, deviceLimits: routing.layerLimits,
      devicesPerToken: validation?.devicesPerToken,
      validationLossUnlimited: unlimited?.loss, devicesPerTokenUnlimited: unlimited?.devicesPerToken)
    if ranks.rank == 0 { try TextFile.write(try summary.json(), to: folder.summary) }
  }
}
