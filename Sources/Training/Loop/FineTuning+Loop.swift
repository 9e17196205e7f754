internal import Host
internal import ExpertParallel
internal import Models
internal import Tensors

extension FineTuning {
  /// Steps until the last or until a stop is asked for, with measurements and checkpoints on the way.
  ///
  /// - Parameters:
  ///   - state: What steps change.
  ///   - sinks: Where figures go.
  ///   - unmeasured: What the record has of the step that the run goes on from, where it is to be measured still.
  ///   - began: When the run, or this part of it, began.
  ///   - isStopRequested: Asked after every step.
  /// - Returns: How it ended, and what the last validation found.
  /// - Throws: ``TrainingError``, `FileError`, `MetricError`, `RoutingError`.
  func loop(
    _ state: inout State, _ sinks: MetricSinks, from unmeasured: MetricsRecord.Step?, began: Double,
    isStopRequested: () -> Bool
  ) throws -> (ending: Ending, validation: Validation?) {
    let schedule = LearningRateSchedule(
      name: recipe.schedule.name, warmupSteps: recipe.schedule.warmupSteps, steps: steps)
    var (unmeasured, validation): (MetricsRecord.Step?, Validation?) = (unmeasured, nil)
    while unmeasured != nil || state.step < steps && !isOver(state.best) {
      var step = try unmeasured ?? .init(values: advanced(&state, schedule, began: began), tasks: [:])
      unmeasured = nil
      validation = nil
      do {
        if isValidationDue(after: state.step, step),
          let result = try validated(state.model, under: routing, unless: abandonsMeasuring)
        {
          step.values.merge(result.values) { $1 }
          let isBest = state.best.add(
            result.loss, step: state.step, minDelta: recipe.run.earlyStopping?.minDelta ?? 0)
          if isBest, recipe.run.keepsBest { try saveBest(state) }
          validation = result
        }
        if areTasksDue(after: state.step, step) { step.tasks = try scores(state.model, unless: abandonsMeasuring) }
      } catch is MeasuringAbandoned {
        // What is missing in its record the step is measured for when the run goes on.
        try sinks.log(step: state.step, values: step.values, tasks: [:])
        try sinks.sync()
        try save(&state)
        return (.stopped(step: state.step), nil)
      }
      try sinks.log(step: state.step, values: step.values, tasks: step.tasks)
      let isEnd = state.step == steps || isOver(state.best)
      let stop = !isEnd && ranks.agreeToStop(isStopRequested())
      // The last one is for a run that is to be longer.
      if stop || isDue(state.step, every: recipe.save.every) || isEnd && recipe.save.every != nil {
        try sinks.sync()
        try save(&state)
      }
      if stop { return (.stopped(step: state.step), validation) }
    }
    return (.finished, validation)
  }

  private func advanced(_ state: inout State, _ schedule: LearningRateSchedule, began: Double) throws
    -> [Metric: Double]
  {
    var values = try Activity.during("training step \(state.step + 1)") { try advance(&state, schedule) }
    values[.seconds] = Clock.monotonic() - began
    return values
  }

  /// What the record has of the last step, where its validation or tasks were abandoned; nil elsewhere. Of several
  /// ranks the first has the record.
  func unmeasured(_ record: MetricsRecord?) -> MetricsRecord.Step? {
    let isMissing = record.map {
      isValidationDue(after: $0.last, $0.lastStep) && !data.validation.isEmpty
        || areTasksDue(after: $0.last, $0.lastStep)
    }
    let last = record?.lastStep
    let told = ranks.sum([
      isMissing ?? false ? 1 : 0, last?.values[.validationCE] == nil ? 0 : 1, last?.tasks.isEmpty ?? true ? 0 : 1,
    ])
    if told[0] == 0 { return nil }
    // The others need not know the figures, but what there is.
    return last ?? .init(values: told[1] > 0 ? [.validationCE: 0] : [:], tasks: told[2] > 0 ? ["": 0] : [:])
  }

  private func isValidationDue(after step: Int, _ found: MetricsRecord.Step) -> Bool {
    (step == steps || isDue(step, every: recipe.run.evaluateEvery)) && found.values[.validationCE] == nil
  }

  private func areTasksDue(after step: Int, _ found: MetricsRecord.Step) -> Bool {
    tasks != nil && isDue(step, every: recipe.tasks.every) && found.tasks.isEmpty
  }

  /// Writes the result and what the run did.
  ///
  /// - Returns: The model of the result.
  /// - Throws: ``MeasuringAbandoned`` where a stop is asked for meanwhile.
  func finish(_ state: State, _ validation: Validation?, seconds: Double, sent: WireTraffic) throws
    -> LanguageModel
  {
    var (state, validation) = (state, validation)
    if recipe.run.keepsBest {
      state.model = try finishWithBest()
      validation = nil
    } else {
      try saveFinal(state)
    }
    if validation == nil { validation = try validated(state.model, under: routing, unless: abandonsMeasuring) }
    try summarize(state, seconds: seconds, validation: validation, sent: ranks.traffic.since(sent))
    return state.model
  }

  /// Whether validation has made no progress for as long as the recipe waits.
  func isOver(_ best: BestValidation) -> Bool { recipe.run.earlyStopping.map { best.stale >= $0.patience } ?? false }

  private func isDue(_ step: Int, every interval: Int?) -> Bool { interval.map { step.isMultiple(of: $0) } ?? false }

  /// Figures of tasks under the run's routing, which a schedule of limits does not change; none without tasks.
  func scores(_ model: LanguageModel, unless isAbandoned: (() -> Bool)?) throws -> [String: Double] {
    guard let tasks else { return [:] }
    var model = model
    try model.apply(routing)
    return try tasks(model, routing) { isAbandoned?() ?? false }
  }
}
