internal import Formats

extension Report {
  /// The matrix of arms and limits.
  var matrix: [Markup] {
    let all = "Every checkpoint under every limit"
    let meaning =
      "Δ is the paired difference from the standard checkpoint without a limit, with its 95 % interval; recovery is the "
      + "share of a limit’s cost that training under it wins back. A click on a column’s head sorts by it."
    guard isCrowded else {
      return [
        Page.section("matrix", all, lead: "Tinted rows are evaluated as they were trained. " + meaning) {
          table("Matrix of results", comparison.results)
        }
      ]
    }
    return [
      Page.section(
        "matrix", "Every checkpoint as it was trained",
        lead: meaning
          + " The table below it adds the controls: the base and the standard checkpoint under every rule, and "
          + "all others without a limit."
      ) {
        table("Results as trained", matched.sorted { $0.loss < $1.loss }, without: Self.details)
        tag("details", ["class": "below"]) {
          tag("summary", "\(all), \(counted(comparison.results.count, "row"))")
          table("Matrix of results", comparison.results)
        }
      }
    ]
  }

  /// Columns left out where the rule is an arm's own, so that the table fits: rule, perplexity, remote copies.
  private static let details: Set<Int> = [1, 3, 8]

  private func table(_ name: String, _ results: [CellResult], without left: Set<Int> = []) -> Markup {
    var last = ""
    func shown<Field>(_ fields: [Field]) -> [Field] {
      fields.enumerated().filter { !left.contains($0.offset) }.map(\.element)
    }
    return Page.scroll(name) {
      Page.table(
        heads: shown(headings),
        rows: results.map { result in
          defer { last = result.arm }
          return (
            left.isEmpty ? result.isMatched : result.isReference, left.isEmpty && result.arm != last,
            shown(row(result))
          )
        })
    }
  }

  private var headings: [(String, String)] {
    [("checkpoint", ""), (comparison.limitsNameRules ? "limit L" : "rule", "")] + figures
  }

  private var figures: [(String, String)] {
    [
      ("loss", "± stderr"), ("token perplexity", "95 % interval"),
      ("Δ loss vs standard", "95 % interval"), ("recovery", "95 % interval"), ("retention loss", "Δ vs standard"),
      ("devices / token", "imbalance"), ("remote copies", comparison.countsNodes ? "between nodes · inside" : "naive"),
      ("bytes / token", "of naive"), ("mass", "kept"),
    ]
  }

  /// One cell as a row.
  private func row(_ result: CellResult) -> [(value: String, note: String)] {
    let figures = result.communication
    let interval = result.lossInterval
    let difference = result.difference.map { (Numbers.signed($0.mean, 4), range($0.low, $0.high, 4)) }
    let recovery = result.recovery.map {
      (Numbers.percent($0.mean), "\(Numbers.percent($0.low)) to \(Numbers.percent($0.high))")
    }
    return [
      (result.arm, ""), (comparison.rule(result), ""),
      (Numbers.fixed(result.loss, 4), "± \(Numbers.fixed(result.standardError, 4))"),
      (
        Numbers.perplexity(result.tokenPerplexity),
        "\(Numbers.perplexity(Numbers.exponential(interval.low))) to "
          + Numbers.perplexity(Numbers.exponential(interval.high))
      ),
      result.isReference ? ("reference", "") : difference ?? (Numbers.absent, ""),
      recovery ?? (result.trainingEffect == nil ? "" : "undefined", ""),
      (
        result.retentionLoss.map { Numbers.fixed($0, 3) } ?? Numbers.absent,
        result.isReference ? "reference" : result.retentionDifference.map { Numbers.signed($0.mean, 3) } ?? ""
      ),
      (
        Numbers.fixed(figures.devicesPerToken, 2),
        "rows \(Numbers.fixed(figures.imbalanceRows, 2)) · wire \(Numbers.fixed(figures.imbalanceWire, 2))"
      ),
      (
        Numbers.fixed(figures.remoteCopies, 2),
        comparison.countsNodes
          ? "\(copies(figures.copiesBetweenNodes)) · \(copies(figures.copiesInsideNodes))"
          : Numbers.fixed(figures.naiveRemoteCopies, 2)
      ),
      (
        Numbers.grouped(Int(figures.bytes.rounded())),
        figures.naiveBytes > 0 ? Numbers.percent(figures.bytes / figures.naiveBytes) : ""
      ),
      (Numbers.fixed(figures.retainedMass, 3), ""),
    ]
  }

  private func copies(_ number: Double?) -> String { number.map { Numbers.fixed($0, 2) } ?? Numbers.absent }

  private func range(_ low: Double, _ high: Double, _ digits: Int) -> String {
    "\(Numbers.signed(low, digits)) to \(Numbers.signed(high, digits))"
  }

  /// Whether what a limit costs is within the margin, and what would have been seen.
  var margins: [Markup] {
    let found = comparison.results.filter { $0.nonInferiority != nil && $0.isMatched }
    let cells = isCrowded ? found.sorted { $0.loss < $1.loss } : found
    guard !cells.isEmpty, let gain = cells[0].nonInferiority?.gain else { return [] }
    return [
      Page.section(
        "margins", "Is it good enough?",
        lead: "Standard fine-tuning gained \(Numbers.fixed(gain.mean, 4)) nats per token over the base (95 % interval "
          + "\(range(gain.low, gain.high, 4))). An arm is non-inferior if it keeps at least 90 % of that, by a one-sided "
          + "95 % bound. “Would be detected” is the smallest true difference that a study of this size finds in 4 of 5 "
          + "repetitions: “no difference shown” says nothing about smaller ones."
      ) {
        Page.scroll("Non-inferiority") {
          Page.table(
            heads: [
              ("checkpoint", "as trained"), ("Δ loss", "vs standard"), ("gain kept", ""),
              ("at least", "one-sided 95 %"),
              ("within the margin", "10 % of the gain"), ("would be detected", "nats per token"),
            ],
            rows: cells.map { cell in
              let margin = cell.nonInferiority
              return (
                false, false,
                [
                  (cell.arm, ""), (Numbers.signed(cell.difference?.mean ?? 0, 4), ""),
                  (margin?.kept.map(Numbers.share) ?? Numbers.absent, ""),
                  (margin?.keptAtLeast.map(Numbers.share) ?? Numbers.absent, ""), (margin?.words ?? "", ""),
                  (Numbers.fixed(cell.difference?.detectable ?? 0, 4), ""),
                ]
              )
            })
        }
      }
    ]
  }

  /// Every arm's cost under its own limit, where the scatter cannot name them all.
  var forests: [Markup] {
    guard isCrowded, comparison.reference != nil else { return [] }
    var limits: [Int?] = []
    let cells = matched.filter { !$0.isReference && $0.difference != nil }
    for cell in cells where !limits.contains(cell.trainedLimit) { limits.append(cell.trainedLimit) }
    return [
      Page.section(
        "arms", "Every arm, best first",
        lead:
          "Paired difference in loss from the standard checkpoint without a limit, with its 95 % interval, each arm "
          + "evaluated as it was trained; left is better. Filled: the interval lies on one side of the dashed line. The "
          + "best of many is partly luck: its true place is nearer to the others than it looks."
      ) {
        tag("div", ["class": "figures"]) {
          for limit in limits { forest(cells.filter { $0.trainedLimit == limit }, limit) }
        }
      }
    ]
  }

  private func forest(_ cells: [CellResult], _ limit: Int?) -> Markup {
    let title = limit.map { "At most \($0) of \(counted(study.facts.devices, "device"))" } ?? "No limit"
    let rows = cells.sorted { ($0.difference?.mean ?? 0) < ($1.difference?.mean ?? 0) }.map { cell -> Forest.Row in
      let difference = cell.difference ?? Difference(mean: 0, low: 0, high: 0)
      return Forest.Row(
        name: cell.arm, value: difference.mean, low: difference.low, high: difference.high, series: series(cell.arm),
        isShown: difference.outcome != .noneShown,
        words: "\(cell.arm): \(Numbers.signed(difference.mean, 4)) (\(range(difference.low, difference.high, 4))), "
          + "\(Numbers.fixed(cell.communication.bytes, 0)) bytes.")
    }
    return tag("figure") {
      tag("h3", title)
      Forest(
        id: "forest-\(Numbers.limit(limit))", title: "Differences in loss: \(title)",
        axis: "Δ loss vs standard (nats per token)", rows: rows
      ).picture
    }
  }
}
