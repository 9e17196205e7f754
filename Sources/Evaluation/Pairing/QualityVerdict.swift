internal import Formats

/// What a comparison of evaluations says, in a headline and a few paragraphs of plain words.
struct QualityVerdict {
  let comparison: QualityComparison

  init(_ comparison: QualityComparison) { self.comparison = comparison }

  /// Arms that the verdict is about: all but the reference, the base last.
  private var arms: [String] {
    let names = comparison.arms.map(\.name).filter { $0 != comparison.reference }
    return names.filter { $0 != comparison.base } + names.filter { $0 == comparison.base }
  }

  /// Tasks that count: a further filter of the same answers does not.
  private var judged: [QualityTask] { comparison.tasks.filter { !$0.isFurtherFilter } }

  /// Tasks with a verdict on an arm.
  private func tasks(_ arm: String, _ verdict: QualityDifference.Verdict) -> [QualityTask] {
    comparison.tasks.filter { $0.primary.difference(arm)?.verdict == verdict }
  }

  /// The verdict in one line: at most three arms.
  var headline: String {
    let spoken = arms.filter { $0 != comparison.base || arms.count == 1 }
    let parts = spoken.prefix(3).map { arm -> String in
      let counts = [("better", QualityDifference.Verdict.better), ("worse", .worse)].compactMap { word, verdict in
        let count = tasks(arm, verdict).count
        return count == 0 ? nil : "\(word) on \(count) of \(Self.tasks(judged.count))"
      }
      let quality =
        counts.isEmpty ? "no difference shown on \(Self.tasks(judged.count))" : counts.joined(separator: ", ")
      return ([quality] + [traffic(arm)].compactMap(\.self)).joined(separator: ", ")
    }
    let rest = spoken.count > 3 ? " And \(spoken.count - 3) more." : ""
    return zip(spoken, parts).map { "\($0): \($1)." }.joined(separator: " ") + rest
  }

  private static func tasks(_ count: Int) -> String { counted(count, "task") }

  /// The verdict in paragraphs.
  var sentences: [String] { arms.map(paragraph) + [leftOut].compactMap(\.self) + [scope] }

  private func paragraph(_ arm: String) -> String {
    var parts: [String] = []
    for (words, verdict) in [("better", QualityDifference.Verdict.better), ("worse", .worse)] {
      let tasks = tasks(arm, verdict)
      if !tasks.isEmpty { parts.append("\(words) on " + tasks.map { size($0, arm) }.joined(separator: ", ")) }
    }
    let open = tasks(arm, .noneShown)
    var text = "Against '\(comparison.reference)', '\(arm)' is "
    if parts.isEmpty {
      text = "Between '\(comparison.reference)' and '\(arm)' no difference is shown"
      if !open.isEmpty { text += " on " + open.map { detectable($0, arm) }.joined(separator: ", ") }
    } else {
      text += parts.joined(separator: "; ")
      if !open.isEmpty {
        text += "; no difference is shown on " + open.map { detectable($0, arm) }.joined(separator: ", ")
      }
    }
    text += "."
    if let mean = comparison.mean, let difference = mean.difference(arm), let own = mean.value(arm),
      let other = mean.value(comparison.reference)
    {
      text +=
        " \(mean.metric.capitalizedFirst): \(mean.words(own.value)) against \(mean.words(other.value)) "
        + "(\(Numbers.signed(difference.difference.mean, 3)), \(interval(difference, 3)))."
    }
    if let traffic = traffic(arm) { text += " It sends \(traffic)." }
    return text + margins(arm)
  }

  /// The statement on non-inferiority: of the mean where there is one, else of every task.
  private func margins(_ arm: String) -> String {
    if let mean = comparison.mean, let statement = mean.difference(arm)?.nonInferiority {
      return " " + statement.sentence("'\(arm)'", "on the \(mean.metric)", digits: mean.digits, unit: "")
    }
    return judged.compactMap { task in
      task.primary.difference(arm)?.nonInferiority.map {
        " "
          + $0.sentence(
            "'\(arm)'", "on \(task.task) (\(task.primary.metric))", digits: task.primary.digits, unit: task.primary.unit
          )
      }
    }.joined()
  }

  private func size(_ task: QualityTask, _ arm: String) -> String {
    guard let difference = task.primary.difference(arm) else { return task.task }
    let metric = task.primary
    return "\(task.task) (\(metric.metric) \(Numbers.signed(difference.difference.mean, metric.digits))"
      + "\(metric.unit.isEmpty ? "" : " \(metric.unit)"), \(interval(difference, metric.digits)))"
  }

  private func detectable(_ task: QualityTask, _ arm: String) -> String {
    let metric = task.primary
    let size = Numbers.fixed(metric.difference(arm)?.difference.detectable ?? 0, metric.digits)
    return
      "\(task.task) (\(metric.metric); \(size)\(metric.unit.isEmpty ? "" : " \(metric.unit)") would have been detected)"
  }

  private func interval(_ difference: QualityDifference, _ digits: Int) -> String {
    let ends = difference.difference
    return "95 % interval \(Numbers.signed(ends.low, digits)) to \(Numbers.signed(ends.high, digits))"
  }

  /// The change in bytes; nil where one of the two did not say.
  private func traffic(_ arm: String) -> String? {
    func figures(_ name: String) -> CommunicationFigures? {
      comparison.arms.first { $0.name == name }?.communication
    }
    guard let own = figures(arm), let other = figures(comparison.reference) else { return nil }
    return Numbers.traffic(own.bytes, against: other.bytes)
  }

  private var leftOut: String? {
    let chance = comparison.tasks.filter(\.isAtChance)
    var parts: [String] = []
    if !chance.isEmpty {
      let means = comparison.mean == nil ? "" : " and from the mean"
      parts.append(
        "At chance level, so left out of verdicts on accuracy\(means): \(chance.map(\.task).joined(separator: ", ")). "
          + "There the log-likelihood of the right answer is compared instead, where it is known.")
    }
    let further = comparison.tasks.filter(\.isFurtherFilter)
    if !further.isEmpty {
      parts.append(
        "Further filters of the same answers are shown and not counted: \(further.map(\.task).joined(separator: "; "))."
      )
    }
    let partial = comparison.tasks.filter { $0.leftOut > 0 }
    if !partial.isEmpty {
      let list = partial.map { "\($0.task) (\(Numbers.grouped($0.leftOut)))" }.joined(separator: ", ")
      parts.append("Questions that only some runs answered are left out: \(list).")
    }
    if !comparison.loneTasks.isEmpty {
      parts.append("Tasks that only some runs have are left out: \(comparison.loneTasks.joined(separator: ", ")).")
    }
    return parts.isEmpty ? nil : parts.joined(separator: " ")
  }

  /// How far the verdict reaches.
  private var scope: String {
    let count = comparison.seedCount
    let seeds =
      count == 1
      ? "These are single runs: another training seed may differ."
      : "Intervals cover \(counted(count, "seed")) and the questions."
    let corrected = judged.count * arms.count { $0 != comparison.base }
    return seeds + (corrected > 1 ? " Verdicts are corrected for \(corrected) comparisons (Holm)." : "")
  }
}
