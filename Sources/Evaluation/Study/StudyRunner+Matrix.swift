internal import Placements
internal import Models
internal import Training

extension StudyRunner {
  /// The cells of one arm from one seed: without a limit, then under the rules that it meets.
  ///
  /// The base and arms without a limit meet every rule: they are the controls. A limited arm meets every rule, or with
  /// `study.matrix: own` only its own.
  ///
  /// - Parameters:
  ///   - arm: The base, or a run.
  ///   - ground: What all arms share.
  ///   - weights: Called once, when a cell has to be measured.
  /// - Returns: One cell a rule.
  /// - Throws: What went wrong; ``StudyError/stopped(after:)`` after a signal.
  func cells(_ arm: ArmRun, _ ground: StudyGround, weights: () throws -> LanguageModel) throws -> [Cell] {
    let met = rules.filter { rule in
      arm.rule == nil || recipe.study.matrix == .full || rule.name == arm.rule?.name
    }
    let documents = data.test.count + data.retention.count
    var (cells, loaded, line): ([Cell], LanguageModel?, ProgressLine?) = ([], nil, nil)
    defer { line?.finish() }
    for (place, rule) in ([nil] + met).enumerated() {
      let file = folder.cell(arm.name, rule: rule?.name, seed: seeds.count > 1 ? arm.seed : nil)
      let key = cellKey(arm, rule, ground.placement)
      let kept = folder.cached(file, key: key, as: Cell.self)
      if agreed(kept != nil) {
        if let kept { cells.append(kept) }
        continue
      }
      let model = try loaded ?? weights()
      let progress =
        line ?? console.progress("evaluate \(arm.title(of: seeds))", documents * (met.count + 1), "documents")
      (loaded, line) = (model, progress)
      let measured = try CellMeasurement.measure(
        model, ground.settings(rule) ?? ground.unlimited, data, batchTokens: recipe.schedule.batchTokens,
        nodes: recipe.parallel.nodes, ranks: ranks
      ) { progress.update(documents * place + $0, note: rule?.name ?? "no limit") }
      let cell = Cell(
        arm: arm.name, fineTuned: arm.tuning != nil, trainedLimit: arm.rule?.limit, evaluatedLimit: rule?.limit,
        trainedRule: arm.rule?.name, evaluatedRule: rule?.name, seed: arm.seed,
        policy: rule?.recipe.routing.policy.rawValue ?? "none", target: measured.target,
        retention: measured.retention, communication: measured.communication[0],
        layers: Array(measured.communication.dropFirst()))
      try folder.keep(cell, key: key, in: file)
      cells.append(cell)
      if agreed(console.isStopRequested()) { throw StudyError.stopped(after: "measuring \(cell.name)") }
    }
    return cells
  }

  /// The key of all that a cell depends on.
  private func cellKey(_ arm: ArmRun, _ rule: StudyRule?, _ placement: Placement) -> String {
    baseKey.adding(arm.key).adding(placement.json).adding("\(rule?.recipe.routing ?? recipe.routing)")
      .adding("\(recipe.schedule.batchTokens)").adding(rule?.name ?? "")
      .adding(recipe.parallel.nodes > 1 ? "\(recipe.parallel.nodes) nodes" : "").text
  }
}
