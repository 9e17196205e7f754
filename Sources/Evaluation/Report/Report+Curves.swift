extension Report {
  /// Loss while the arms were trained.
  var curves: [Markup] {
    let curves = study.curves.filter { !$0.points.isEmpty }
    guard !curves.isEmpty else { return [] }
    return [
      Page.section("curves", "Loss during fine-tuning") {
        tag("p", ["class": "lead"]) {
          "Every arm sees the same batches in the same order, under its own limit. Cross-entropy over response tokens, "
          "in nats per token."
        }
        tag("div", ["class": "figures"]) {
          losses(curves)
          differences(curves)
        }
      }
    ]
  }

  /// A line of a picture: places and values.
  private typealias Line = (arm: String, points: [(x: Double, y: Double)])

  private func lines(_ curves: [LossCurve], _ value: (LossCurve.Point) -> Double?) -> [Line] {
    curves.map { curve in
      (curve.arm, curve.points.compactMap { point in value(point).map { (Double(point.step), $0) } })
    }
  }

  /// Training loss, smoothed and as it was, with validation loss as markers on it.
  private func losses(_ curves: [LossCurve]) -> Markup {
    let raw = lines(curves) { $0.train }
    let all = raw.map { line -> Line in
      (line.arm, zip(line.points, Self.smooth(line.points.map(\.y))).map { ($0.x, $1) })
    }
    let smooth = all.filter { isNamed($0.arm) }
    let validation = lines(curves) { $0.validation }.filter { isNamed($0.arm) }
    let drawn = (smooth + validation).flatMap(\.points)
    let plot = Plot(margins: (14, margin(curves), 46, 54), x: drawn.map(\.x), y: drawn.map(\.y))
    return figure(
      "Loss", "loss", plot, smooth, steps: curves, axis: "loss (nats per token)",
      caption: "Lines: training loss, a centred mean over a tenth of the steps, with "
        + (isCrowded ? "those of all other arms" : "the loss of every step") + " behind it. Markers: validation loss."
    ) {
      for line in isCrowded ? all : raw {
        let points = line.points.map { (plot.x($0.x), min(max(plot.y($0.y), plot.top), plot.bottom)) }
        SVG.polyline(points, class: "raw s\(series(line.arm) % 6)")
      }
      curve(smooth, plot)
      markers(validation, plot)
    }
  }

  /// Validation loss minus that of the standard arm at the same step, where arms really differ.
  private func differences(_ curves: [LossCurve]) -> [Markup] {
    let validation = lines(curves) { $0.validation }
    guard let reference = validation.first(where: { $0.arm == comparison.reference?.arm }) else { return [] }
    let standard = Dictionary(reference.points.map { ($0.x, $0.y) }) { first, _ in first }
    let lines = validation.map { line -> Line in
      (line.arm, line.points.compactMap { point in standard[point.x].map { (point.x, point.y - $0) } })
    }.filter { $0.points.count > 1 && isNamed($0.arm) }
    guard lines.count > 1 else { return [] }
    let drawn = lines.flatMap(\.points)
    let plot = Plot(margins: (14, margin(curves), 46, 58), x: drawn.map(\.x), y: drawn.map(\.y))
    return [
      figure(
        "Validation loss minus \(reference.arm)", "validation", plot, lines, steps: curves,
        axis: "Δ loss (nats per token)",
        caption: "Each arm under its own limit, at the same step as \(reference.arm); below 0 is better."
      ) {
        curve(lines, plot)
        markers(lines, plot)
      }
    ]
  }

  private func margin(_ curves: [LossCurve]) -> Double {
    Self.margin(for: curves.map(\.arm).filter(isNamed).map(brief))
  }

  /// Whether a curve has a colour and a name: all have, or those of the leaders among many.
  private func isNamed(_ arm: String) -> Bool { !isCrowded || leaders.contains { $0.arm == arm } }

  private func curve(_ lines: [Line], _ plot: Plot) -> [Markup] {
    lines.map { line in
      SVG.polyline(line.points.map { (plot.x($0.x), plot.y($0.y)) }, class: "curve s\(series(line.arm) % 6)")
    }
  }

  private func markers(_ lines: [Line], _ plot: Plot) -> [Markup] {
    lines.flatMap { line in
      line.points.map { point in
        SVG.marker(
          plot.x(point.x), plot.y(point.y), series: series(line.arm),
          title: "\(line.arm), step \(Int(point.x)): \(Numbers.fixed(point.y, 4))")
      }
    }
  }

  /// A figure by step whose lines carry their arm's name at the end.
  private func figure(
    _ title: String, _ id: String, _ plot: Plot, _ lines: [Line], steps curves: [LossCurve], axis: String,
    caption: String, @MarkupBuilder _ content: () -> [Markup]
  ) -> Markup {
    let lines = lines.filter { !$0.points.isEmpty }
    let tokens = curves.flatMap { $0.points.map(\.tokens) }.max() ?? 0
    let places = Labels.spread(
      lines.map { plot.y($0.points.last?.y ?? 0) }, gap: 15, in: plot.top + 6...plot.bottom - 4)
    let description = lines.map {
      "\($0.arm): from \(Numbers.fixed($0.points.first?.y ?? 0, 3)) to \(Numbers.fixed($0.points.last?.y ?? 0, 3))."
    }
    return tag("figure") {
      tag("h3", title)
      legend(lines.map(\.arm))
      SVG.picture(
        id: id, width: plot.width, height: plot.height, title: "\(title) by step",
        description: description.joined(separator: " ")
      ) {
        plot.yAxis(axis)
        plot.xAxis("step (\(Numbers.short(tokens)) tokens at the end)")
        content()
        for (line, place) in zip(lines, places) {
          SVG.text(plot.right + 11, place + 4, brief(line.arm), class: "strong s\(series(line.arm) % 6)")
        }
      }
      tag("figcaption", caption)
    }
  }

  /// A centred mean over a tenth of the values, narrower towards both ends so that it stays centred.
  static func smooth(_ values: [Double]) -> [Double] {
    let half = values.count / 20
    return values.indices.map { index in
      let reach = min(half, index, values.count - 1 - index)
      let window = values[(index - reach)...(index + reach)]
      return window.reduce(0, +) / Double(window.count)
    }
  }
}
