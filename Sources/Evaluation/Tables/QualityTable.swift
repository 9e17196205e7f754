internal import Formats

/// A comparison of evaluations as text: for a terminal, in Markdown, and as comma-separated values.
public struct QualityTable: Sendable {
  /// What is shown.
  let comparison: QualityComparison

  /// Tables of a comparison.
  public init(_ comparison: QualityComparison) { self.comparison = comparison }

  /// Tasks by their primary metric, then arms and their communication, for a terminal.
  public var plain: String {
    ([primary.text, ""] + (communication.map { [$0.text, ""] } ?? []) + notes).joined(separator: "\n") + "\n"
  }

  /// Verdict, primary metrics, communication, the other metrics, and the first flips of every task and arm.
  public var markdown: String {
    var parts = ["# \(Markdown.text(comparison.headline))"] + comparison.verdict.map(Markdown.text) + [primary.markdown]
    if let communication { parts.append(communication.markdown) }
    parts.append(notes.map { "- \(Markdown.text($0))" }.joined(separator: "\n"))
    let others = table { $0.metrics.dropFirst() }
    if !others.rows.isEmpty { parts += ["## Other metrics, without correction and verdict", others.markdown] }
    let flips = flips
    if !flips.isEmpty { parts += ["## Questions that changed"] + flips }
    return parts.joined(separator: "\n\n") + "\n"
  }

  /// One line for every task, metric and arm but the reference, all figures in full precision.
  public var csv: String {
    var table = TextTable(heads: [
      "task", "questions", "metric", "unit", "primary", "at_chance", "chance", "reference", "reference_value", "arm",
      "value", "difference", "low", "high", "detectable", "p", "p_adjusted", "test", "verdict", "gained", "lost",
      "non_inferiority", "margin", "harm_at_most", "kept", "kept_at_least",
    ])
    func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    func count(_ value: Int?) -> String { value.map { "\($0)" } ?? "" }
    for row in rows({ $0.metrics[...] }) {
      let (metric, difference, margin) = (row.metric, row.difference, row.difference.nonInferiority)
      table.rows.append([
        row.task?.task ?? "mean", count(row.task?.questions), metric.metric, metric.unit,
        "\(metric == row.task?.primary)", "\(metric.isAtChance)", number(metric.chance), comparison.reference,
        number(metric.value(comparison.reference)?.value), difference.arm, number(metric.value(difference.arm)?.value),
        number(difference.difference.mean), number(difference.difference.low), number(difference.difference.high),
        number(difference.difference.detectable), number(difference.pValue), number(difference.adjusted),
        difference.test, difference.verdict?.rawValue ?? "", count(difference.gained), count(difference.lost),
        margin?.outcome.rawValue ?? "", number(margin?.margin), number(margin?.harmAtMost), number(margin?.kept),
        number(margin?.keptAtLeast),
      ])
    }
    return table.csv
  }

  /// A line of a table: an arm against the reference under one metric of one task, or of the mean.
  struct Row {
    let task: QualityTask?
    let metric: QualityMetric
    let difference: QualityDifference
  }

  func rows(_ metrics: (QualityTask) -> ArraySlice<QualityMetric>) -> [Row] {
    comparison.tasks.flatMap { task in
      metrics(task).flatMap { metric in metric.differences.map { Row(task: task, metric: metric, difference: $0) } }
    } + (comparison.mean.map { mean in mean.differences.map { Row(task: nil, metric: mean, difference: $0) } } ?? [])
  }

  private var primary: TextTable { table { $0.metrics.prefix(1) } }

  private func table(_ metrics: (QualityTask) -> ArraySlice<QualityMetric>) -> TextTable {
    let hasMargins = rows(metrics).contains { $0.difference.nonInferiority != nil }
    var table = TextTable(
      heads: [
        "task", "metric", ">n", ">\(comparison.reference.prefix(14))", "arm", ">value", ">difference", "95 % interval",
        ">won/lost", ">p (Holm)", "verdict",
      ] + (hasMargins ? [">gain kept", ">at least", "margin"] : []))
    var last: (String, String)?
    for row in rows(metrics) {
      let (metric, difference) = (row.metric, row.difference)
      let name = (
        row.task?.task ?? metric.metric, row.task == nil ? "" : metric.metric + (metric.isAtChance ? "*" : "")
      )
      let isNew = last.map { $0 != name } ?? true
      last = name
      let digits = metric.digits
      var fields =
        isNew
        ? [
          name.0, name.1, row.task.map { "\($0.questions)" } ?? "",
          metric.words(metric.value(comparison.reference)?.value ?? 0),
        ] : ["", "", "", ""]
      fields += [
        String(difference.arm.prefix(20)), metric.words(metric.value(difference.arm)?.value ?? 0),
        Numbers.signed(difference.difference.mean, digits),
        "\(Numbers.signed(difference.difference.low, digits)) to \(Numbers.signed(difference.difference.high, digits))",
        difference.gained.map { "+\($0)/−\(difference.lost ?? 0)" } ?? "",
        difference.adjusted.map(Numbers.probability) ?? "", Self.words(difference.verdict),
      ]
      if hasMargins {
        let margin = difference.nonInferiority
        fields += [
          margin?.kept.map(Numbers.share) ?? "", margin?.keptAtLeast.map(Numbers.share) ?? "", margin?.words ?? "",
        ]
      }
      table.rows.append(fields)
    }
    return table
  }

  static func words(_ verdict: QualityDifference.Verdict?) -> String {
    switch verdict {
    case .better: "better"
    case .worse: "worse"
    case .noneShown: "none shown"
    case nil: ""
    }
  }

  /// Communication of the arms whose evaluations hold it.
  private var communication: TextTable? {
    let rows = comparison.arms.compactMap { arm -> [String]? in
      guard let figures = arm.communication else { return nil }
      return [
        arm.name, arm.deviceLimit.map(String.init) ?? "none", Numbers.fixed(figures.devicesPerToken, 2),
        Numbers.fixed(figures.imbalanceRows, 2), Numbers.fixed(figures.remoteCopies, 2),
        Numbers.fixed(figures.bytes, 0),
        Numbers.fixed(figures.retainedMass, 3),
      ]
    }
    return rows.isEmpty
      ? nil
      : TextTable(
        heads: [
          "arm", ">limit", ">devices/token", ">imbalance", ">remote copies", ">bytes/token", ">mass kept",
        ], rows: rows)
  }

  private var notes: [String] {
    var notes = [
      "Differences: arm − \(comparison.reference), question by question; of perplexities, of their logarithm (nats).",
      "Intervals: \(Numbers.grouped(comparison.bootstrap.draws)) bootstrap draws over "
        + "\(comparison.seedCount > 1 ? "\(counted(comparison.seedCount, "seed")) and " : "")questions, seed "
        + "\(comparison.bootstrap.seed).",
      "p: McNemar's exact test of right and wrong answers of single runs, else bootstrap; Holm's correction over all verdicts.",
    ]
    if comparison.tasks.contains(where: \.isAtChance) {
      notes.append(
        "* at chance level: no run is shown to do better than guessing; the likelihood of the right answer stands in.")
    }
    if let base = comparison.base {
      notes.append(
        "Gain kept: share of what \(comparison.reference) gained over \(base); at least: one-sided 95 %.")
    }
    return notes
  }

  /// Most flips that Markdown lists of one task, arm and direction; `comparison.json` has all.
  private static let listed = 5

  private var flips: [String] {
    var parts: [String] = []
    for task in comparison.tasks {
      for arm in comparison.arms.map(\.name) {
        let all = comparison.flips.filter { $0.task == task.task && $0.arm == arm }
        for (direction, words) in [(Flip.Direction.lost, "lost"), (.gained, "won")] {
          let own = all.filter { $0.direction == direction }
          if own.isEmpty { continue }
          let rest = own.count > Self.listed ? ", the first \(Self.listed)" : ""
          parts.append("### " + Markdown.text("\(task.task): \(own.count) \(words) by \(arm)\(rest)"))
          parts += own.prefix(Self.listed).map(item)
        }
      }
    }
    return parts
  }

  /// One flip; the prompt is quoted, so that nothing in it becomes a heading.
  private func item(_ flip: Flip) -> String {
    let prompt = flip.prompt.split(separator: "\n", omittingEmptySubsequences: false).map {
      "> \(Markdown.text(String($0)))"
    }
    let choices = flip.choices.map { "> - \(Markdown.text($0))" }
    let facts =
      "question \(flip.question); right: \(flip.gold); \(flip.arm): \(flip.answer); "
      + "\(comparison.reference): \(flip.referenceAnswer)"
    return (prompt + (choices.isEmpty ? [] : [">"] + choices) + ["", Markdown.text(facts)])
      .joined(separator: "\n")
  }
}
