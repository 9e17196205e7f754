/// Differences with their intervals, one row each: what reads well where there are many.
struct Forest {
  /// One row.
  struct Row {
    /// Name on the left.
    let name: String
    let value: Double
    let low: Double
    let high: Double
    /// Place of the arm, which decides colour and marker.
    let series: Int
    /// Whether a difference is shown: the marker is filled then.
    let isShown: Bool
    /// The row in words.
    let words: String
  }

  let id: String
  let title: String
  /// The horizontal axis with its unit.
  let axis: String
  let rows: [Row]

  private static let step = 22.0

  /// The picture; its dashed line is the reference.
  var picture: Markup {
    let names = rows.map { $0.name.count <= 30 ? $0.name : $0.name.prefix(29) + "…" }
    let left = 20 + 7.0 * Double(names.map(\.count).max() ?? 0)
    let plot = Plot(
      width: max(460, left + 270), height: 58 + Self.step * Double(rows.count), margins: (10, 18, 48, left),
      x: [0] + rows.flatMap { [$0.low, $0.high] }, y: [0, 1], xTicks: 4)
    return SVG.picture(
      id: id, width: plot.width, height: plot.height, title: title,
      description: rows.map(\.words).joined(separator: " ")
    ) {
      tag("g") {
        for tick in plot.x.ticks { SVG.line(plot.x(tick), plot.top, plot.x(tick), plot.bottom, class: "rule") }
        SVG.line(plot.x(0), plot.top, plot.x(0), plot.bottom, class: "mean")
      }
      for (index, row) in rows.enumerated() {
        let y = plot.top + Self.step * (Double(index) + 0.5)
        SVG.text(left - 12, y + 4, names[index], anchor: "end", class: "name")
        SVG.line(plot.x(row.low), y, plot.x(row.high), y, class: "whisker s\(row.series % 6)")
        for end in [row.low, row.high] {
          SVG.line(plot.x(end), y - 3, plot.x(end), y + 3, class: "whisker s\(row.series % 6)")
        }
        SVG.marker(plot.x(row.value), y, series: row.series, hollow: !row.isShown, title: row.words)
      }
      plot.xAxis(axis)
    }
  }
}
