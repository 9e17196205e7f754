internal import Formats

extension Report {
  /// Co-activation before and after the experts were placed.
  var heatMaps: [Markup] {
    guard let chosen = clearest else { return [] }
    let rest = study.layers.filter { $0.layer != chosen.layer }
    return [
      Page.section("coactivation", "Which experts work together") {
        tag("p", ["class": "lead"]) {
          "Each cell is a pair of experts, darker in light mode and brighter in dark mode where more tokens use both. "
          "Orange squares are devices: two experts inside one share a single copy of the token. Before: experts in their "
          "original order, in equal blocks. After: experts sorted by the device they were given."
        }
        tag("div", ["class": "pair"]) {
          tag("figure") {
            tag("h3", "Layer \(chosen.layer), original order")
            heatMap(chosen, placed: false)
            tag("figcaption", share(chosen.contiguous))
          }
          tag("figure") {
            tag("h3", "Layer \(chosen.layer), placed on \(counted(study.facts.devices, "device"))")
            heatMap(chosen, placed: true)
            tag("figcaption", share(chosen.chosen))
          }
        }
        tag("div", ["class": "swatches"]) {
          tag("span", "few shared tokens")
          tag("svg", ["viewBox": "0 0 168 14", "aria-hidden": "true"]) {
            for level in 0..<HeatMap.levels {
              tag(
                "rect",
                [
                  "x": "\(21 * level)", "y": "0", "width": "21", "height": "14", "style": "fill:var(--h\(level))",
                ])
            }
          }
          tag("span", "many")
          tag(
            "span",
            "Equal steps of √(shared tokens), 5th to 99th percentile of the layer’s pairs. "
              + "Layer \(chosen.layer) is the one where placement gained most.")
        }
        if !rest.isEmpty {
          tag("div", ["class": "multiples"]) {
            for layer in rest {
              tag("figure", ["class": "small"]) {
                tag("h3", "Layer \(layer.layer)")
                smallPair(layer)
                tag(
                  "figcaption",
                  "pairs on one device: \(Numbers.percent(layer.contiguous.intraShare)) → "
                    + Numbers.percent(layer.chosen.intraShare))
              }
            }
          }
        }
      }
    ]
  }

  /// The layer with the largest gain in `intra_share`; the first of them.
  private var clearest: LayerPlacement? {
    var best: LayerPlacement?
    for layer in study.layers where layer.experts > 1 {
      let gain = layer.chosen.intraShare - layer.contiguous.intraShare
      if let other = best, gain <= other.chosen.intraShare - other.contiguous.intraShare { continue }
      best = layer
    }
    return best
  }

  private func share(_ prediction: PlacementPrediction) -> String {
    "\(Numbers.percent(prediction.intraShare)) of collaborating pairs on one device, "
      + "\(Numbers.fixed(prediction.devicesPerToken, 2)) devices per token, "
      + "imbalance \(Numbers.fixed(prediction.imbalance, 2))."
  }

  private func heatMap(_ layer: LayerPlacement, placed: Bool) -> Markup {
    let map = HeatMap(layer, devices: study.facts.devices, placed: placed)
    let prediction = placed ? layer.chosen : layer.contiguous
    let (size, left, top) = (440.0, 26.0, 4.0)
    let cell = size / Double(max(1, layer.experts))
    return SVG.picture(
      id: "heat-\(layer.layer)-\(placed ? "after" : "before")", width: size + left + 4, height: size + top + 34,
      title: "Co-activation of layer \(layer.layer), \(placed ? "after" : "before") placement",
      description: share(prediction)
    ) {
      tag("g", ["transform": "translate(\(SVG.number(left)) \(SVG.number(top))) scale(\(cell))"]) { map.cells }
      for device in 0..<study.facts.devices {
        let block = map.blocks[device]
        let middle = (Double(block.lowerBound) + Double(block.upperBound)) / 2 * cell
        SVG.text(left + middle, top + size + 15, "\(device)", anchor: "middle")
        SVG.text(left - 7, top + middle + 4, "\(device)", anchor: "end")
      }
      SVG.text(left + size / 2, top + size + 31, "experts, by device", anchor: "middle", class: "title")
    }
  }

  private func smallPair(_ layer: LayerPlacement) -> Markup {
    let before = HeatMap(layer, devices: study.facts.devices, placed: false)
    let after = HeatMap(layer, devices: study.facts.devices, placed: true)
    let experts = Double(layer.experts)
    return SVG.picture(
      id: "heat-\(layer.layer)", width: experts * 2 + 6, height: experts,
      title: "Co-activation of layer \(layer.layer), before and after placement",
      description: "Before: \(share(layer.contiguous)) After: \(share(layer.chosen))"
    ) {
      tag("g") { before.cells }
      tag("g", ["transform": "translate(\(SVG.number(experts + 6)) 0)"]) { after.cells }
    }
  }
}

/// A co-activation matrix in a few hundred bytes a row: eight colours, one path each, runs of equal cells as one stroke.
///
/// 6 layers × 2 orders × 64 × 64 cells would be 49,152 rectangles, 3 MB; as runs they are about 0.2 MB.
struct HeatMap {
  /// Number of colours.
  static let levels = 8
  /// Experts in the order drawn.
  let order: [Int]
  /// Rows that belong to each device.
  let blocks: [Range<Int>]
  /// Level of each pair in the order drawn, row-major [E, E]; the diagonal has none (−1).
  let grid: [Int]

  init(_ layer: LayerPlacement, devices: Int, placed: Bool) {
    let experts = layer.experts
    order =
      placed
      ? (0..<experts).sorted { (layer.expertDevice[$0], $0) < (layer.expertDevice[$1], $1) } : Array(0..<experts)
    let counts = (0..<devices).map { device in
      placed
        ? layer.expertDevice.count { $0 == device } : experts * (device + 1) / devices - experts * device / devices
    }
    var start = 0
    blocks = counts.map { count in
      defer { start += count }
      return start..<start + count
    }
    let roots = layer.coactivation.map { Double(max(0, $0)).squareRoot() }
    let pairs = roots.indices.filter { $0 / experts != $0 % experts }.map { roots[$0] }.sorted()
    let low = pairs.isEmpty ? 0 : Bootstrap.quantile(pairs, 0.05)
    let high = pairs.isEmpty ? 0 : Bootstrap.quantile(pairs, 0.99)
    var grid = [Int](repeating: -1, count: experts * experts)
    for (row, i) in order.enumerated() {
      for (column, j) in order.enumerated() where i != j {
        let share = high > low ? (roots[i * experts + j] - low) / (high - low) : 0
        grid[row * experts + column] = min(Self.levels - 1, max(0, Int(share * Double(Self.levels))))
      }
    }
    self.grid = grid
  }

  /// The drawing, one unit a cell, device blocks outlined.
  @MarkupBuilder var cells: [Markup] {
    let experts = order.count
    tag("g", ["class": "heat"]) {
      tag(
        "rect",
        ["width": "\(experts)", "height": "\(experts)", "style": "fill:var(--h0)"])
      for level in 1..<Self.levels {
        let d = path(level)
        if !d.isEmpty {
          tag("path", ["transform": "translate(0 .5)", "style": "stroke:var(--h\(level))", "d": d])
        }
      }
    }
    for block in blocks where !block.isEmpty {
      SVG.rect(
        Double(block.lowerBound), Double(block.lowerBound), Double(block.count), Double(block.count), class: "box")
    }
  }

  /// Runs of one level as strokes: `M3 0h2m4 0h1` is row 0, columns 3–4 and 9.
  func path(_ level: Int) -> String {
    let experts = order.count
    var d = ""
    for row in 0..<experts {
      var end = -1
      var column = 0
      while column < experts {
        guard grid[row * experts + column] == level else {
          column += 1
          continue
        }
        let start = column
        while column < experts, grid[row * experts + column] == level { column += 1 }
        d += end < 0 ? "M\(start) \(row)h\(column - start)" : "m\(start - end) 0h\(column - start)"
        end = column
      }
    }
    return d
  }
}
