internal import Formats

/// The matrix as a table: plain text for a terminal, or Markdown. One row is one cell.
public struct ComparisonTable: Sendable {
  /// What is shown.
  let comparison: Comparison
  /// Widest line of the plain form.
  static let width = 120

  /// A table of a comparison.
  public init(_ comparison: Comparison) { self.comparison = comparison }

  /// A column: its heading in two lines on a terminal and in one in Markdown, and what it shows of a cell.
  private struct Column: Sendable {
    let top: String
    let bottom: String
    let title: String
    /// Whether it is left out where the names of rules take the room.
    var isMinor = false
    let value: @Sendable (CellResult) -> String
  }

  /// The columns. The first names the row; all others are figures and stand to the right.
  private var columns: [Column] {
    let comparison = comparison
    let rules: [Column] =
      comparison.limitsNameRules
      ? [
        Column(top: "", bottom: "arm", title: "arm", value: { $0.arm }),
        Column(top: "lim", bottom: "it", title: "limit", value: { comparison.rule($0) }),
      ]
      : [Column(top: "", bottom: "arm · rule", title: "arm · rule") { "\($0.arm) · \(comparison.rule($0))" }]
    let nodes = Column(top: "between", bottom: "nodes", title: "copies between nodes") {
      $0.communication.copiesBetweenNodes.map { Numbers.fixed($0, 2) } ?? Numbers.absent
    }
    return rules + Self.figures.filter { comparison.limitsNameRules || !$0.isMinor }
      + (comparison.countsNodes ? [nodes] : [])
  }

  private static let figures: [Column] = [
    Column(top: "loss", bottom: "± stderr", title: "loss ± stderr") {
      "\(Numbers.fixed($0.loss, 4)) ±\(Numbers.fixed($0.standardError, 4))"
    },
    Column(top: "token", bottom: "ppl", title: "token_perplexity", isMinor: true) {
      Numbers.perplexity($0.tokenPerplexity)
    },
    Column(top: "Δ loss vs standard", bottom: "[95 % interval]", title: "Δ loss vs standard [95 %]") { result in
      if result.isReference { return "reference" }
      return result.difference.map {
        "\(Numbers.signed($0.mean, 4)) [\(Numbers.signed($0.low, 4)) \(Numbers.signed($0.high, 4))]"
      } ?? Numbers.absent
    },
    Column(top: "reco-", bottom: "very", title: "recovery") { result in
      result.recovery.map { Numbers.fixed($0.mean * 100, 0) + "%" } ?? (result.trainingEffect == nil ? "" : "undef")
    },
    Column(top: "reten-", bottom: "tion", title: "retention loss") {
      $0.retentionLoss.map { Numbers.fixed($0, 3) } ?? Numbers.absent
    },
    Column(top: "devices/token", bottom: "× imbalance", title: "devices/token × imbalance") {
      "\(Numbers.fixed($0.communication.devicesPerToken, 2)) ×\(Numbers.fixed($0.communication.imbalanceRows, 2))"
    },
    Column(top: "remote", bottom: "copies", title: "remote copies", isMinor: true) {
      Numbers.fixed($0.communication.remoteCopies, 2)
    },
    Column(top: "bytes", bottom: "/token", title: "bytes/token") { Numbers.fixed($0.communication.bytes, 0) },
    Column(top: "of", bottom: "naive", title: "of naive", isMinor: true) { result in
      let (bytes, naive) = (result.communication.bytes, result.communication.naiveBytes)
      return naive > 0 ? Numbers.fixed(bytes / naive * 100, 0) + "%" : Numbers.absent
    },
    Column(top: "mass", bottom: "kept", title: "mass kept") { Numbers.fixed($0.communication.retainedMass, 3) },
  ]

  /// The table for a terminal, at most 120 columns, with the legend under it. Long names of rows end in `…`.
  public var plain: String {
    let columns = columns
    var rows = comparison.results.map { result in columns.map { $0.value(result) } }
    var widths = columns.map { max($0.top.count, $0.bottom.count) }
    for row in rows { for (column, field) in row.enumerated() { widths[column] = max(widths[column], field.count) } }
    let others = widths.dropFirst().reduce(0, +)
    // One space between columns, two as far from the left as they fit; where none does, the arm's name gives way.
    let gaps = widths.count - 1
    widths[0] = max(3, min(widths[0], Self.width - others - gaps))
    let wide = min(gaps, max(0, Self.width - others - gaps - widths[0]))
    for column in 1..<1 + wide { widths[column] += 1 }
    for index in rows.indices where rows[index][0].count > widths[0] {
      rows[index][0] = rows[index][0].prefix(widths[0] - 1) + "…"
    }
    func line(_ fields: [String]) -> String {
      var text = ""
      for (column, field) in fields.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - field.count)
        text += column == 0 ? field + padding : " " + padding + field
      }
      return String(text.reversed().drop { $0 == " " }.reversed())
    }
    var lines = [line(columns.map(\.top)), line(columns.map(\.bottom))]
    lines.append(String(repeating: "─", count: widths.reduce(0, +) + gaps))
    for (index, row) in rows.enumerated() {
      if index > 0, isApart(comparison.results[index - 1], comparison.results[index]) { lines.append("") }
      lines.append(line(row))
    }
    let asTrained = asTrained.map { [$0.text, ""] } ?? []
    return (lines + [""] + asTrained + notes).joined(separator: "\n") + "\n"
  }

  /// Whether an empty line stands between two rows: between arms, but not between arms of one row each.
  private func isApart(_ above: CellResult, _ below: CellResult) -> Bool {
    if above.arm == below.arm { return false }
    let rows = { (arm: String) in comparison.results.count { $0.arm == arm } }
    return rows(above.arm) > 1 || rows(below.arm) > 1
  }

  /// The same table in Markdown.
  public var markdown: String {
    let columns = columns
    let table = TextTable(
      heads: columns.enumerated().map { $0 == 0 ? $1.title : ">" + $1.title },
      rows: comparison.results.map { result in columns.map { $0.value(result) } })
    let asTrained = asTrained.map { [$0.markdown, ""] } ?? []
    return ([table.markdown, ""] + asTrained + notes.map { "- \(Markdown.text($0))" }).joined(separator: "\n") + "\n"
  }

  /// What every limited arm costs under the limit it was trained with; nil where there is none.
  private var asTrained: TextTable? {
    let cells = comparison.results.filter { $0.isMatched && !$0.isReference && $0.difference != nil }
    guard !cells.isEmpty else { return nil }
    return TextTable(
      heads: ["as trained", ">recovery", ">95 % interval", ">gain kept", ">at least", ">margin", ">would be detected"],
      rows: cells.map { cell in
        let margin = cell.nonInferiority
        return [
          String(cell.arm.prefix(40)), cell.recovery.map { Numbers.percent($0.mean) } ?? "undefined",
          cell.recovery.map { "\(Numbers.percent($0.low)) to \(Numbers.percent($0.high))" } ?? "",
          margin?.kept.map(Numbers.share) ?? Numbers.absent,
          margin?.keptAtLeast.map(Numbers.share) ?? Numbers.absent, margin?.words ?? Numbers.absent,
          Numbers.fixed(cell.difference?.detectable ?? 0, 4),
        ]
      })
  }

  /// Lines under the tables: what the columns mean.
  private var notes: [String] {
    let (bootstrap, documents) = (comparison.bootstrap, comparison.results.first?.documents ?? 0)
    var notes = ["Loss in nats per response token; bytes per token, layer and direction; imbalance of expert rows."]
    if comparison.results.contains(where: { $0.nonInferiority != nil }) {
      notes.append(
        "Gain kept: share of what standard gained over the base; at least: one-sided 95 %; margin: 90 % kept.")
    }
    let seeds = comparison.seedCount > 1 ? "\(counted(comparison.seedCount, "seed")) and " : ""
    notes.append(
      "Intervals: \(Numbers.grouped(bootstrap.draws)) bootstrap draws over \(seeds)\(Numbers.grouped(documents)) "
        + "documents, seed \(bootstrap.seed).")
    return notes
  }
}
