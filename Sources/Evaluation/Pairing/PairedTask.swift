/// A task, or a group of tasks that the harness pools, with the questions that all runs answered.
struct PairedTask: Sendable {
  /// Name of the task or group.
  let name: String
  /// The questions by rising id, the same for every run.
  let questions: [String]
  /// Questions that some runs answered and others did not.
  let leftOut: Int
  /// Answers by arm, seed and question.
  let answers: [[[Answer]]]
  /// Metrics that every answer has, by name.
  let metrics: [String]
  /// Metrics of which a lower value is better.
  let lowerIsBetter: Set<String>
  /// Whether these are the answers of another task under a further filter, which count once.
  let isFurther: Bool
  /// What has to be said of the pairing.
  let notes: [String]

  /// Share of an arm's runs that answer a question rightly.
  func share(_ metric: PairedMetric, _ arm: Int, _ question: Int) -> Double {
    let runs = answers[arm]
    return Double(runs.count { $0[question].values[metric.name] == .number(1) }) / Double(runs.count)
  }

  /// Pairs the runs of all arms.
  ///
  /// - Parameter arms: Runs by arm and seed.
  /// - Returns: Tasks that all runs have, the names of those that only some have, and what was left out.
  /// - Throws: ``PairingError`` where runs share no task, no question of a task or no metric of any, or where a question's
  ///   data differ.
  static func pair(
    _ arms: [ComparedArm]
  ) throws(PairingError) -> (tasks: [PairedTask], lone: [String], notes: [String]) {
    let runs = arms.flatMap(\.runs)
    var groups: [String: String] = [:]
    for run in runs { groups.merge(run.groups) { first, _ in first } }
    // Of each run: unit (task or group) → question → answer.
    var units: [[String: Unit]] = []
    for run in runs { units.append(Unit.units(of: run, groups)) }
    let all = Set(units.flatMap(\.keys))
    let common = units.reduce(all) { $0.intersection($1.keys) }
    if common.isEmpty {
      let (first, second) = lonely(units)
      throw .noCommonTask(
        run: runs[first].path, tasks: units[first].keys.sorted(), other: runs[second].path,
        others: units[second].keys.sorted())
    }
    var (tasks, notes): ([PairedTask], [String]) = ([], [])
    for run in runs { notes += run.notes }
    var incomparable: PairingError?
    for name in common.sorted() {
      do throws(PairingError) {
        let task = try PairedTask(name, units.compactMap { $0[name] }, arms, runs)
        tasks.append(task)
        notes += task.notes
      } catch {
        // A task without a metric of questions does not keep the others from being compared.
        guard case .noCommonMetric = error else { throw error }
        incomparable = incomparable ?? error
        notes.append("\(name) is left out: \(error)")
      }
    }
    if tasks.isEmpty, let incomparable { throw incomparable }
    return (tasks, all.subtracting(common).sorted(), notes)
  }

  /// Two runs without a common task, or the first and the last where only all together have none.
  private static func lonely(_ units: [[String: Unit]]) -> (Int, Int) {
    for second in units.indices {
      for first in 0..<second where Set(units[first].keys).isDisjoint(with: units[second].keys) {
        return (first, second)
      }
    }
    return (0, units.count - 1)
  }

  private init(
    _ name: String, _ units: [Unit], _ arms: [ComparedArm], _ runs: [EvaluationRun]
  ) throws(PairingError) {
    let all = units.reduce(into: Set<String>()) { $0.formUnion($1.answers.keys) }
    let common = units.reduce(all) { $0.intersection($1.answers.keys) }
    if common.isEmpty {
      let lone = units.indices.first { Set(units[0].answers.keys).isDisjoint(with: units[$0].answers.keys) }
      throw .noCommonQuestion(task: name, run: runs[0].path, other: runs[lone ?? units.count - 1].path)
    }
    guard common.count >= 2 else { throw .tooFew(task: name, found: common.count) }
    let questions = common.sorted()
    for question in questions {
      var known: (run: Int, hash: String)?
      for (run, unit) in units.enumerated() {
        guard let hash = unit.answers[question]?.hash else { continue }
        if let known, known.hash != hash {
          throw .differentData(task: name, question: question, run: runs[run].path, other: runs[known.run].path)
        }
        known = known ?? (run, hash)
      }
    }
    let metrics = units.reduce(units[0].metrics) { $0.intersection($1.metrics) }
    if metrics.isEmpty {
      let lone = units.indices.first { units[0].metrics.isDisjoint(with: units[$0].metrics) }
      throw .noCommonMetric(task: name, run: runs[0].path, other: runs[lone ?? units.count - 1].path)
    }
    (self.name, self.questions, leftOut) = (name, questions, all.count - common.count)
    isFurther = units.contains(where: \.isFurther)
    notes = Self.otherPrompts(name, units, runs, questions)
    self.metrics = metrics.sorted()
    lowerIsBetter = units.reduce(into: []) { $0.formUnion($1.lowerIsBetter) }
    var place = 0
    answers = arms.map { arm in
      arm.runs.map { _ in
        defer { place += 1 }
        return questions.compactMap { units[place].answers[$0] }
      }
    }
  }

  /// Runs whose prompts differ from those of the first one: with other examples or another template.
  private static func otherPrompts(
    _ name: String, _ units: [Unit], _ runs: [EvaluationRun], _ questions: [String]
  ) -> [String] {
    zip(units, runs).dropFirst().compactMap { unit, run in
      let count = questions.count { question in
        guard let own = unit.answers[question]?.promptHash, let first = units[0].answers[question]?.promptHash else {
          return false
        }
        return own != first
      }
      if count == 0 { return nil }
      return "\(name): \(run.path) was asked \(count) of \(questions.count) questions in other words than "
        + "\(runs[0].path) (prompt_hash): other examples, another description or another template"
    }
  }

  /// A task of one run, or the tasks of one group together.
  private struct Unit {
    var answers: [String: Answer]
    var metrics: Set<String>
    var lowerIsBetter: Set<String>
    let isFurther: Bool

    static func units(of run: EvaluationRun, _ groups: [String: String]) -> [String: Unit] {
      var units: [String: Unit] = [:]
      for (name, task) in run.tasks {
        let group = groups[task.task].map { AnsweredTask.name($0, task.filter) }
        let answers =
          group == nil
          ? task.answers
          : Dictionary(task.answers.map { ("\(name)/\($0.key)", $0.value) }) { first, _ in first }
        let lower = Set(task.metrics.filter { run.lowerIsBetter.contains("\(task.task)/\($0)") })
        if var unit = units[group ?? name] {
          unit.answers.merge(answers) { first, _ in first }
          unit.metrics.formIntersection(task.metrics)
          unit.lowerIsBetter.formUnion(lower)
          units[group ?? name] = unit
        } else {
          units[group ?? name] = Unit(
            answers: answers, metrics: Set(task.metrics), lowerIsBetter: lower, isFurther: task.isFurther)
        }
      }
      return units
    }
  }
}

/// One way of making a model, evaluated: one run, or one for every training seed.
public struct ComparedArm: Sendable {
  /// Its name.
  public let name: String
  /// Its evaluations, in an order of seeds that all arms share.
  public let runs: [EvaluationRun]

  /// An arm of at least one run.
  public init(name: String, runs: [EvaluationRun]) {
    self.name = name
    self.runs = runs
  }
}
