/// A comparison of evaluations as one page (``Page``).
public struct QualityReport: Sendable {
  let comparison: QualityComparison
  /// Version of the program.
  let version: String

  /// A report of a comparison.
  public init(_ comparison: QualityComparison, version: String) {
    self.comparison = comparison
    self.version = version
  }

  /// The whole page.
  public var html: String {
    Page(
      subject: comparison.arms.map(\.name).joined(separator: ", "), kind: "Evaluations compared",
      headline: comparison.headline, verdict: comparison.verdict,
      cards: comparison.arms.prefix(Self.cards).map(card),
      sections: [tasks, forests, table, traffic, flips(of: others.map(\.name)), [facts, terms]],
      footer: "Occult \(version). Numbers behind this page: comparison.json and comparison.csv beside it."
    ).html
  }

  /// What a larger page says of the comparison: its verdict, then every task.
  ///
  /// - Parameter arms: Arms whose changed questions are told.
  /// - Returns: Sections.
  func parts(toldOf arms: [String]) -> [[Markup]] {
    let verdict = Page.section("answers", "Tasks: " + comparison.headline) {
      for sentence in comparison.verdict { tag("p", sentence) }
    }
    return [[verdict], tasks, forests, table, flips(of: arms)]
  }

  /// Most cards at the head of the page.
  private static let cards = 6

  var others: [QualityArm] { comparison.arms.filter { $0.name != comparison.reference } }

  /// The place of an arm, which decides its colour and marker everywhere on the page.
  func series(_ arm: String) -> Int {
    comparison.arms.firstIndex { $0.name == arm } ?? comparison.arms.count
  }

  private func card(_ arm: QualityArm) -> Markup {
    let isReference = arm.name == comparison.reference
    // Without a mean the first task stands for all, by its name.
    let mean = comparison.mean ?? comparison.tasks[0].primary
    let name = comparison.mean?.metric ?? comparison.tasks[0].task
    let difference = mean.difference(arm.name)
    let verdicts = comparison.tasks.compactMap { $0.primary.difference(arm.name)?.verdict }
    func count(_ verdict: QualityDifference.Verdict) -> Int { verdicts.count { $0 == verdict } }
    let bytes = arm.communication?.bytes
    let theirs = comparison.arms.first { $0.name == comparison.reference }?.communication?.bytes
    return Page.card(
      series: series(arm.name), name: arm.name,
      note: (isReference ? "reference" : arm.name == comparison.base ? "base" : "")
        + (arm.deviceLimit.map { " at most \($0) \($0 == 1 ? "device" : "devices") per token" } ?? ""),
      figures: [
        (
          name, mean.words(mean.value(arm.name)?.value ?? 0),
          isReference ? "reference" : difference.map { Numbers.signed($0.difference.mean, mean.digits) } ?? ""
        ),
        isReference
          ? ("tasks", "\(comparison.tasks.count)", "\(comparison.tasks.count(where: \.isAtChance)) at chance level")
          : ("better, worse", "\(count(.better)), \(count(.worse))", "\(count(.noneShown)) not shown"),
        (
          "bytes / token", bytes.map { Numbers.grouped(Int($0.rounded())) } ?? Numbers.absent,
          isReference || bytes == nil || theirs == nil
            ? "" : Numbers.traffic(bytes ?? 0, against: theirs ?? 0)
        ),
      ])
  }

  /// The figure of every arm on every task.
  private var tasks: [Markup] {
    let metrics =
      comparison.tasks.map { ($0.task, $0.primary, $0.isAtChance) }
      + (comparison.mean.map { [("mean", $0, false)] } ?? [])
    return [
      Page.section(
        "tasks", "Every arm on every task",
        lead: "The figure of each task’s primary metric, with its standard error. Differences smaller than that are "
          + "common and still clear, because all arms answered the same questions: the next section has them."
      ) {
        Page.scroll("Figures by task and arm") {
          Page.table(
            heads: [("task", "metric"), ("questions", "")] + comparison.arms.map { ($0.name, "") },
            rows: metrics.map { name, metric, isAtChance in
              (
                name == "mean", false,
                [
                  (name, metric.metric + (isAtChance ? " (accuracy at chance level)" : "")),
                  (comparison.tasks.first { $0.task == name }.map { Numbers.grouped($0.questions) } ?? "", ""),
                ]
                  + comparison.arms.map { arm in
                    let value = metric.value(arm.name)
                    return (
                      metric.words(value?.value ?? 0),
                      value?.stderr.map { "± \(Numbers.fixed($0, metric.digits))" } ?? ""
                    )
                  }
              )
            })
        }
      }
    ]
  }

  /// Differences with their intervals: one picture for scores, one for each unit of losses.
  private var forests: [Markup] {
    let metrics = comparison.tasks.map { ($0.task, $0.primary) }
    var units: [(unit: String, higher: Bool)] = []
    for (_, metric) in metrics where !units.contains(where: { $0 == (metric.unit, metric.higherIsBetter) }) {
      units.append((metric.unit, metric.higherIsBetter))
    }
    return [
      Page.section(
        "differences", "Differences from \(comparison.reference)",
        lead:
          "Question by question, with 95 % intervals. Filled: a difference is shown after correction for the number of "
          + "comparisons; hollow: none is, which does not say that there is none."
      ) {
        tag("div", ["class": "figures"]) {
          for (index, unit) in units.enumerated() {
            let own = metrics.filter { $0.1.unit == unit.unit && $0.1.higherIsBetter == unit.higher }
            let mean = comparison.mean.flatMap { unit.unit.isEmpty && unit.higher ? [("mean", $0)] : nil } ?? []
            figure("forest-\(index)", own + mean, unit.unit, higherIsBetter: unit.higher)
          }
        }
      }
    ]
  }

  private func figure(
    _ id: String, _ metrics: [(task: String, metric: QualityMetric)], _ unit: String, higherIsBetter: Bool
  ) -> Markup {
    let rows = metrics.flatMap { task, metric in
      metric.differences.map { difference -> Forest.Row in
        let ends = difference.difference
        let name = others.count == 1 ? "\(task), \(metric.metric)" : "\(task), \(difference.arm)"
        let digits = metric.digits
        return Forest.Row(
          name: name, value: ends.mean, low: ends.low, high: ends.high, series: series(difference.arm),
          isShown: difference.verdict.map { $0 != .noneShown } ?? (ends.low > 0 || ends.high < 0),
          words: "\(task), \(metric.metric), \(difference.arm): \(Numbers.signed(ends.mean, digits)) "
            + "(\(Numbers.signed(ends.low, digits)) to \(Numbers.signed(ends.high, digits))).")
      }
    }
    let side = higherIsBetter ? "right is better" : "left is better"
    return tag("figure") {
      tag("h3", unit.isEmpty ? "Scores: \(side)" : "Losses and likelihoods in \(unit): \(side)")
      Forest(
        id: id, title: "Differences from \(comparison.reference)",
        axis: unit.isEmpty ? "difference (share of questions)" : "difference (\(unit))", rows: rows
      ).picture
    }
  }

  /// All metrics with tests, verdicts and margins.
  private var table: [Markup] {
    let rows = QualityTable(comparison).rows { $0.metrics[...] }
    return [
      Page.section(
        "verdicts", "Tests and verdicts",
        lead:
          "Tinted: primary metrics, which count for the verdict. p for the primary ones is corrected for their number "
          + "(Holm). “Would be detected” is the smallest true difference found in 4 of 5 such comparisons. Gain kept: the "
          + "share of what standard fine-tuning gained over the base, with its one-sided 95 % lower bound. A click on a "
          + "column’s head sorts by it."
      ) {
        Page.scroll("Tests and verdicts") {
          Page.table(
            heads: [
              ("task", "metric"), ("arm", ""), ("difference", "95 % interval"), ("won / lost", "questions"),
              ("p", "test"), ("verdict", ""), ("would be", "detected"), ("gain kept", "at least"), ("margin", ""),
            ],
            rows: rows.map { row in
              let (metric, difference, margin) = (row.metric, row.difference, row.difference.nonInferiority)
              let (ends, digits) = (difference.difference, metric.digits)
              let isPrimary = row.task.map { $0.primary == metric } ?? true
              return (
                isPrimary, false,
                [
                  (row.task?.task ?? "mean", metric.metric + (metric.isAtChance ? ", at chance level" : "")),
                  (difference.arm, ""),
                  (
                    Numbers.signed(ends.mean, digits),
                    "\(Numbers.signed(ends.low, digits)) to \(Numbers.signed(ends.high, digits)) \(metric.unit)"
                  ),
                  (difference.gained.map { "+\($0) / −\(difference.lost ?? 0)" } ?? "", ""),
                  (Numbers.probability(difference.adjusted ?? difference.pValue), difference.test),
                  (QualityTable.words(difference.verdict), ""), (Numbers.fixed(ends.detectable, digits), ""),
                  (
                    margin?.kept.map(Numbers.share) ?? "",
                    margin?.keptAtLeast.map { "at least \(Numbers.share($0))" } ?? ""
                  ),
                  (margin?.words ?? "", ""),
                ]
              )
            })
        }
      }
    ]
  }
}
