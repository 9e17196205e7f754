/// The matrix as a table: plain text for a terminal, or Markdown. One row is one cell.
public struct ComparisonTable: Sendable {
  /// What is shown.
  let comparison: Comparison
  /// Widest line of the plain form.
  static let width = 120

  /// A table of a comparison.
  public init(_ comparison: Comparison) { self.comparison = comparison }

  /// Headings in two lines; everything after the first two columns is a number and stands to the right.
  private static let headings: [(top: String, bottom: String)] = [
    ("", "arm"), ("lim", "it"), ("loss", "± stderr"), ("token", "ppl"), ("Δ loss vs standard", "[95 % interval]"),
    ("reco-", "very"), ("reten-", "tion"), ("devices/token", "× imbalance"), ("remote", "copies"), ("bytes", "/token"),
    ("of", "naive"), ("mass", "kept"),
  ]

  private func fields(_ result: CellResult) -> [String] {
    let figures = result.communication
    let difference = result.difference.map {
      "\(Numbers.signed($0.mean, 4)) [\(Numbers.signed($0.low, 4)) \(Numbers.signed($0.high, 4))]"
    }
    let recovery = result.recovery.map { Numbers.fixed($0.mean * 100, 0) + "%" }
    let naive = figures.naiveBytes > 0 ? Numbers.fixed(figures.bytes / figures.naiveBytes * 100, 0) + "%" : nil
    return [
      result.arm, result.evaluatedLimit.map(String.init) ?? Numbers.absent,
      "\(Numbers.fixed(result.loss, 4)) ±\(Numbers.fixed(result.standardError, 4))",
      Numbers.perplexity(result.tokenPerplexity),
      result.isReference ? "reference" : difference ?? Numbers.absent,
      recovery ?? (result.trainingEffect == nil ? "" : "undef"),
      result.retentionLoss.map { Numbers.fixed($0, 3) } ?? Numbers.absent,
      "\(Numbers.fixed(figures.devicesPerToken, 2)) ×\(Numbers.fixed(figures.imbalanceRows, 2))",
      Numbers.fixed(figures.remoteCopies, 2), Numbers.fixed(figures.bytes, 0), naive ?? Numbers.absent,
      Numbers.fixed(figures.retainedMass, 3),
    ]
  }

  /// The table for a terminal, at most 120 columns, with the legend under it. Long arm names end in `…`.
  public var plain: String {
    var rows = comparison.results.map(fields)
    var widths = Self.headings.map { max($0.top.count, $0.bottom.count) }
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
    var lines = [line(Self.headings.map(\.top)), line(Self.headings.map(\.bottom))]
    lines.append(String(repeating: "─", count: widths.reduce(0, +) + gaps))
    for (index, row) in rows.enumerated() {
      let isSameArm = index > 0 && comparison.results[index - 1].arm == comparison.results[index].arm
      if index > 0, !isSameArm { lines.append("") }
      lines.append(line(row))
    }
    return (lines + [""] + notes).joined(separator: "\n") + "\n"
  }

  /// The same table in Markdown.
  public var markdown: String {
    let titles = [
      "arm", "limit", "loss ± stderr", "token_perplexity", "Δ loss vs standard [95 %]", "recovery", "retention loss",
      "devices/token × imbalance", "remote copies", "bytes/token", "of naive", "mass kept",
    ]
    func line(_ fields: [String]) -> String {
      "| " + fields.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |"
    }
    let rule = "| --- |" + String(repeating: " ---: |", count: titles.count - 1)
    return ([line(titles), rule] + comparison.results.map { line(fields($0)) } + [""] + notes.map { "- \($0)" })
      .joined(separator: "\n") + "\n"
  }

  /// Lines under the table: recovery with its intervals, then what the columns mean.
  private var notes: [String] {
    var notes: [String] = []
    for result in comparison.results {
      guard let recovery = result.recovery else { continue }
      notes.append(
        "Recovery of \(result.arm) at limit \(Numbers.limit(result.evaluatedLimit)): \(Numbers.percent(recovery.mean)), "
          + "95 % interval \(Numbers.percent(recovery.low)) to \(Numbers.percent(recovery.high)).")
    }
    let arms = comparison.results.filter { $0.evaluatedLimit == nil }.compactMap { result in
      result.devicesPerTokenUnlimited.map { "\(result.arm) \(Numbers.fixed($0, 3))" }
    }
    if !arms.isEmpty { notes.append("Devices/token with the rule off: \(arms.joined(separator: ", ")).") }
    let (bootstrap, documents) = (comparison.bootstrap, comparison.results.first?.documents ?? 0)
    notes.append("Loss in nats per response token; bytes per token, layer and direction; imbalance of expert rows.")
    notes.append(
      "Intervals: \(Numbers.grouped(bootstrap.draws)) bootstrap draws over \(Numbers.grouped(documents)) documents, "
        + "seed \(bootstrap.seed).")
    return notes
  }
}
