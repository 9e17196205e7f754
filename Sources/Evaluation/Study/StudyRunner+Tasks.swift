internal import Checkpoint
internal import ExpertParallel
internal import Foundation
internal import Models
internal import Training

extension StudyRunner {
  /// Scores an arm from one seed on the recipe's tasks under its own rule, unless that is done already.
  ///
  /// - Parameters:
  ///   - arm: The base, or a run.
  ///   - ground: What all arms share.
  ///   - weights: Called when the arm has to be scored.
  /// - Throws: What went wrong; ``StudyError/stopped(after:)`` after a signal.
  func score(_ arm: ArmRun, _ ground: StudyGround, weights: () throws -> LanguageModel) throws {
    guard let tasks else { return }
    let place = folder.tasks(arm.name, seed: seeds.count > 1 ? arm.seed : nil)
    let routing = ground.settings(arm.rule) ?? ground.unlimited
    let key = baseKey.adding(arm.key).adding(ground.placement.json).adding("\(arm.rule?.recipe.routing as Any)")
      .adding("\(recipe.schedule.batchTokens)").adding(tasks.identity).text
    let marker = place + "/arm.json"
    if agreed(folder.cached(marker, key: key, as: String.self) != nil) { return }
    try folder.removeTasks(in: place)
    var model = try weights().untracked()
    try model.apply(routing)
    let title = arm.title(of: seeds)
    let (began, date) = (Clock.monotonic(), Date())
    let line = console.progress("tasks \(title)", tasks.set.documents, "documents")
    defer { line.finish() }
    let scored = try tasks.score(model, routing: routing, ranks: ranks) { line.update($0, note: $1) }
    let path = arm.tuning?.folder.final ?? recipe.model
    var result = EvaluationResult(model: path, routing: routing, program: program)
    result.seconds = Clock.monotonic() - began
    if folder.isWriter {
      let files = tasks.files(scored, of: model, at: path, result, began: date)
      _ = try files.write(to: EvaluationOutput(place, program: program, date: date))
    }
    try folder.keep(title, key: key, in: marker)
    if agreed(console.isStopRequested()) { throw StudyError.stopped(after: "the tasks of \(title)") }
  }

  /// All arms question by question, written beside the results; nil without tasks.
  ///
  /// - Parameter reference: The arm that the others are compared with.
  /// - Returns: The comparison.
  /// - Throws: ``PairingError``, or ``StudyError`` where nothing can be written.
  func comparedTasks(reference: String) throws -> QualityComparison? {
    if tasks == nil { return nil }
    let base = ComparedArm(name: ArmRun.base.name, runs: [try EvaluationRun(folder.tasks(ArmRun.base.name, seed: nil))])
    let arms = try recipe.study.arms.map { arm in
      ComparedArm(
        name: arm.name,
        runs: try seeds.map { try EvaluationRun(folder.tasks(arm.name, seed: seeds.count > 1 ? $0 : nil)) })
    }
    let comparison = try QualityComparison(
      [base] + arms, reference: reference, base: base.name,
      bootstrap: Bootstrap(draws: 2_000, seed: UInt64(recipe.run.seed)))
    let table = QualityTable(comparison)
    try folder.write(String(decoding: try comparison.json(), as: UTF8.self), to: folder.tasks + "/comparison.json")
    try folder.write(table.markdown, to: folder.tasks + "/comparison.md")
    try folder.write(table.csv, to: folder.tasks + "/comparison.csv")
    return comparison
  }
}
