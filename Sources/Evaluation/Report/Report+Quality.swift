/// Which text quality is measured on.
private enum QualityText: String, CaseIterable {
  case target
  case retention

  var title: String { self == .target ? "Target loss" : "Retention loss" }

  /// Loss of a cell with the ends of its 95 % interval, as the difference from the reference where there is one; nil where
  /// the text was not measured.
  func loss(_ result: CellResult) -> (value: Double, low: Double, high: Double)? {
    switch self {
    case .target:
      guard let difference = result.difference else {
        return (result.loss, result.lossInterval.low, result.lossInterval.high)
      }
      return (difference.mean, difference.low, difference.high)
    case .retention:
      if let difference = result.retentionDifference { return (difference.mean, difference.low, difference.high) }
      guard let loss = result.retentionLoss else { return nil }
      let half = 1.96 * (result.retentionError ?? 0)
      return (loss, loss - half, loss + half)
    }
  }
}

extension Report {
  /// Quality against bytes, on target and retention text: one point for every fine-tuned cell.
  ///
  /// Quality is the paired difference from the reference: its interval is many times narrower than that of the loss,
  /// which is mostly about which documents are hard. Without a reference it is the loss itself.
  var quality: [Markup] {
    let pictures = QualityText.allCases.map { (text: $0, points: points($0)) }.filter { !$0.points.isEmpty }
    return [
      Page.section("quality", "Quality against bytes") {
        tag("p", ["class": "lead"]) {
          "Left is cheaper, down is better. "
          isDense
            ? "Every arm is evaluated as it was trained\(isCrowded ? ", grey ones are named above" : ""); "
            : "Filled markers are evaluated as they were trained; hollow ones have another limit applied afterwards; "
          "markers that would cover each other are set side by side. Whiskers are 95 % intervals"
          isPaired ? " of the paired difference; the dashed line is the standard checkpoint without a limit." : "."
        }
        for (text, points) in pictures {
          tag("figure", ["class": "wide"]) {
            tag("h3", text.title)
            legend((isCrowded ? leaders.map(\.arm) : arms).filter { name in points.contains { $0.result.arm == name } })
            scatter(text, points)
            tag("figcaption", caption(text, points))
          }
        }
      }
    ]
  }

  /// One marker: what it stands for, and where.
  private struct Point {
    let result: CellResult
    let value: Double
    let low: Double
    let high: Double
    let name: String
    var series = 0
    /// Horizontal place, after points at nearly the same bytes were moved apart.
    var x = 0.0
  }

  private func name(_ result: CellResult) -> String { "\(result.arm), \(comparison.condition(result))" }

  /// Whether there are too many markers to name each: then arms are drawn as they were trained, and the caption names those of
  /// the frontier.
  private var isDense: Bool { isCrowded || !comparison.limitsNameRules }

  /// Markers that no other beats in both, from the cheapest on.
  private func frontier(_ points: [Point]) -> [Point] {
    var lowest = Double.infinity
    return points.filter(\.result.fineTuned).sorted {
      ($0.result.communication.bytes, $0.value) < ($1.result.communication.bytes, $1.value)
    }.filter { point in
      defer { lowest = min(lowest, point.value) }
      return point.value < lowest
    }
  }

  private var isPaired: Bool { comparison.reference != nil }

  /// Cells in the picture, without those that would squeeze the others: fine-tuned ones and the base, or of many arms each as
  /// it was trained.
  private func points(_ text: QualityText) -> [Point] {
    let all = comparison.results.compactMap { result -> Point? in
      guard let (value, low, high) = text.loss(result) else { return nil }
      return Point(
        result: result, value: value, low: low, high: high, name: name(result), series: series(result.arm))
    }
    if isDense {
      let own = all.filter(\.result.isMatched)
      let room = Scale.fence(own.map(\.value))
      return own.filter { $0.result.isReference || room.contains($0.value) }
    }
    let tuned = all.filter(\.result.fineTuned).map(\.value)
    guard let low = tuned.min(), let high = tuned.max() else { return all }
    let room = low - (high - low)...high + (high - low)
    return all.filter { $0.result.fineTuned || room.contains($0.value) }
  }

  private func caption(_ text: QualityText, _ points: [Point]) -> String {
    var sentences: [String] = []
    if let reference = comparison.reference, text == .target {
      let bytes = Int(reference.communication.naiveBytes.rounded())
      sentences.append("Per-expert dispatch of the standard checkpoint would send \(Numbers.grouped(bytes)) bytes.")
    }
    if isDense {
      let names = frontier(points).map {
        "\($0.result.arm) (\(isPaired ? Numbers.signed($0.value, 3) : Numbers.fixed($0.value, 3)))"
      }
      sentences.append("Joined, as no other beats them in both, from the cheapest: \(names.joined(separator: ", ")).")
    }
    let others = (isDense ? matched : comparison.results).filter { result in !points.contains { $0.result == result } }
    let missing = others.compactMap { result in
      text.loss(result).map {
        "\(isDense ? result.arm : name(result)): \(isPaired ? Numbers.signed($0.value, 3) : Numbers.fixed($0.value, 3))"
      }
    }
    if !missing.isEmpty { sentences.append("Outside the picture: \(missing.joined(separator: "; ")).") }
    return sentences.joined(separator: " ")
  }

  private func scatter(_ text: QualityText, _ points: [Point]) -> Markup {
    let plot = Plot(
      width: isDense ? 560 : 490, height: 350,
      margins: (34, isDense ? 20 : Self.margin(for: points.map { brief($0.result.arm) }), 46, 58),
      x: [0] + points.map(\.result.communication.bytes),
      y: points.flatMap { [$0.low, $0.high] } + (isPaired ? [0] : []), yTicks: 8)
    let points = isDense ? swarm(points, plot) : placed(points, plot)
    let description = points.map {
      "\($0.name): \(isPaired ? Numbers.signed($0.value, 4) : Numbers.fixed($0.value, 4)) nats per token, "
        + "\(Numbers.fixed($0.result.communication.bytes, 0)) bytes."
    }
    return SVG.picture(
      id: "scatter-\(text.rawValue)", width: plot.width, height: plot.height,
      title: "\(text.title) against bytes per token",
      description: description.joined(separator: " ")
    ) {
      plot.yAxis("\(isPaired ? "Δ loss vs standard" : text.title.lowercased()) (nats per token)")
      plot.xAxis("bytes per token, layer and direction")
      if isPaired { SVG.line(plot.left, plot.y(0), plot.right, plot.y(0), class: "mean") }
      if isDense {
        SVG.polyline(frontier(points).map { ($0.x, plot.y($0.value)) }, class: "path s0")
      }
      for arm in isDense ? [] : arms {
        let own = points.filter { $0.result.arm == arm }.sorted { $0.x < $1.x }
        SVG.polyline(own.map { ($0.x, plot.y($0.value)) }, class: "path s\(series(arm) % 6)")
      }
      for point in points where point.high > point.low {
        let (low, high) = (plot.y(point.low), plot.y(point.high))
        let name = "whisker s\(point.series % 6)"
        SVG.line(point.x, low, point.x, high, class: name)
        for end in [low, high] { SVG.line(point.x - 3, end, point.x + 3, end, class: name) }
      }
      for (point, words) in zip(points, description) {
        SVG.marker(
          point.x, plot.y(point.value), series: point.series, hollow: !point.result.isMatched, title: words)
      }
      if !isDense { labels(points, plot) }
    }
  }

  /// Moves points at nearly the same bytes side by side, so that their whiskers do not hide each other.
  private func placed(_ points: [Point], _ plot: Plot) -> [Point] {
    var points = points
    let exact = points.map { plot.x($0.result.communication.bytes) }
    for index in points.indices {
      let before = exact[..<index].count { abs($0 - exact[index]) < 12 }
      points[index].x = exact[index] + 11 * Double(before)
    }
    return points
  }

  /// Moves each marker to the nearest place at its height that no other covers, if one is near; those of the frontier stay where
  /// they are.
  private func swarm(_ points: [Point], _ plot: Plot) -> [Point] {
    let first = frontier(points)
    let others = points.filter { point in !first.contains { $0.result == point.result } }
    var placed: [Point] = []
    for var point in first + others.sorted(by: { $0.value < $1.value }) {
      let (exact, y) = (plot.x(point.result.communication.bytes), plot.y(point.value))
      let near = placed.filter { abs(plot.y($0.value) - y) < 11 }.map(\.x)
      let places = (0...3).lazy.flatMap { [exact + 11 * Double($0), exact - 11 * Double($0)] }
      point.x = places.first { place in near.allSatisfy { abs($0 - place) >= 11 } } ?? exact
      placed.append(point)
    }
    return placed
  }

  /// Each limit's name over its points, and each point's arm beside it, moved apart where they would touch.
  private func labels(_ points: [Point], _ plot: Plot) -> [Markup] {
    var limits: [Int?] = []
    for point in points where !limits.contains(point.result.evaluatedLimit) {
      limits.append(point.result.evaluatedLimit)
    }
    let groups = limits.map { limit in points.filter { $0.result.evaluatedLimit == limit } }
    let middles = groups.map { group in group.reduce(0) { $0 + $1.x } / Double(max(1, group.count)) }
    let captions = Labels.spread(middles, gap: 66, in: plot.left...plot.right + 20)
    return zip(zip(limits, groups), captions).flatMap { entry, middle -> [Markup] in
      let (limit, group) = entry
      let x = (group.map(\.x).max() ?? 0) + 15
      let heights = Labels.spread(group.map { plot.y($0.value) }, gap: 15, in: plot.top + 6...plot.bottom - 6)
      let caption = SVG.text(
        middle, plot.top - 12, limit.map { "limit \($0)" } ?? "no limit", anchor: "middle", class: "caption")
      return [caption]
        + zip(group, heights).flatMap { point, y in
          [
            SVG.line(point.x + 6, plot.y(point.value), x - 3, y, class: "leader s\(point.series % 6)"),
            SVG.text(x, y + 4, brief(point.result.arm), class: "strong s\(point.series % 6)"),
          ]
        }
    }
  }
}
