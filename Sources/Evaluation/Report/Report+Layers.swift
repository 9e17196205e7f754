internal import Formats

extension Report {
  /// Devices per token and imbalance by layer.
  var layers: [Markup] {
    let cells = matched.filter { !$0.layers.isEmpty }
    guard !cells.isEmpty else { return [] }
    return [
      Page.section("layers", "Communication by layer") {
        tag("p", ["class": "lead"]) {
          "Measured on the target text, each checkpoint under the limit it was trained with. A layer waits for its "
          "busiest device, so fewer devices per token pay off only as far as the load stays even."
        }
        tag("div", ["class": "figures"]) {
          let drawn = isCrowded ? leaders.filter { !$0.layers.isEmpty } : cells
          bars(drawn, "Devices per token", "devices", "devices per token", floor: 0) { $0.devicesPerToken }
          bars(drawn, "Imbalance of expert rows", "imbalance", "max / mean over devices", floor: 1) { $0.imbalanceRows }
        }
        if isCrowded { layerTable(cells) }
      }
    ]
  }

  /// Devices per token and imbalance of every arm in every layer.
  private func layerTable(_ cells: [CellResult]) -> Markup {
    tag("details", ["class": "below"]) {
      tag("summary", "All \(counted(cells.count, "arm")) by layer")
      Page.scroll("Devices per token by layer") {
        Page.table(
          heads: [("checkpoint", "as trained")]
            + cells[0].layers.map { ("layer \($0.layer.map(String.init) ?? "?")", "devices, imbalance") },
          rows: cells.map { cell in
            (
              cell.isReference, false,
              [(cell.arm, "")]
                + cell.layers.map {
                  (Numbers.fixed($0.devicesPerToken, 2), "imbalance \(Numbers.fixed($0.imbalanceRows, 2))")
                }
            )
          })
      }
    }
  }

  private func bars(
    _ cells: [CellResult], _ title: String, _ id: String, _ axis: String, floor: Double,
    value: (CommunicationFigures) -> Double
  ) -> Markup {
    let names = cells[0].layers.map { $0.layer.map(String.init) ?? "?" }
    let values = cells.map { $0.layers.map(value) }
    let plot = Plot(
      width: 460, height: 260, margins: (12, 10, 46, 54), x: [0, Double(max(1, names.count))],
      y: [floor] + values.flatMap { $0 })
    let step = (plot.right - plot.left) / Double(max(1, names.count))
    let width = min(26, step * 0.8 / Double(cells.count))
    let description = zip(cells, values).map { cell, values in
      "\(cell.arm), \(comparison.condition(cell)): "
        + values.map { Numbers.fixed($0, 2) }.joined(separator: ", ") + "."
    }
    return tag("figure") {
      tag("h3", title)
      tag("ul", ["class": "legend"]) {
        for cell in cells {
          tag("li") {
            tag("svg", ["viewBox": "0 0 26 14", "aria-hidden": "true"]) {
              SVG.rect(6, 1, 13, 12, class: "bar s\(series(cell.arm) % 6)")
            }
            "\(cell.arm), \(comparison.condition(cell))"
          }
        }
      }
      SVG.picture(
        id: id, width: plot.width, height: plot.height, title: "\(title) by layer",
        description: description.joined(separator: " ")
      ) {
        plot.yAxis(axis)
        for (index, cell) in cells.enumerated() {
          for (place, value) in values[index].enumerated() {
            let x =
              plot.left + step * (Double(place) + 0.5)
              + width * (Double(index) - Double(cells.count) / 2)
            SVG.rect(
              x, plot.y(max(value, floor)), width - 1.5, plot.bottom - plot.y(max(value, floor)),
              class: "bar s\(series(cell.arm) % 6)",
              title: "\(cell.arm), layer \(names[min(place, names.count - 1)]): \(Numbers.fixed(value, 3))")
          }
        }
        plot.xAxis("layer", numbers: false)
        for (place, name) in names.enumerated() {
          SVG.text(plot.left + step * (Double(place) + 0.5), plot.bottom + 17, name, anchor: "middle")
        }
      }
    }
  }

  /// What placement was predicted to change, and how evenly it loads the devices.
  var placement: [Markup] {
    guard !study.layers.isEmpty else { return [] }
    return [
      Page.section("placement", "Placing experts: exact, before any limit") {
        tag("p", ["class": "lead"]) {
          "Predicted from the base model’s profile: experts in their original order against the placement used "
          "(\(study.facts.placement))."
          if let difference = study.facts.maxLogitDifference {
            " Largest change of a logit when the experts were moved: \(Self.small(difference))."
          }
        }
        Page.scroll("Placement by layer") {
          tag("table", ["class": "placement"]) {
            tag("thead") {
              tag("tr") {
                for heading in [
                  "layer", "devices / token", "remote copies", "pairs on one device", "imbalance",
                  "device loads, original", "device loads, placed",
                ] { tag("th", ["scope": "col"], heading) }
              }
            }
            tag("tbody") { for layer in study.layers { row(layer) } }
          }
        }
      }
    ]
  }

  private func row(_ layer: LayerPlacement) -> Markup {
    let (before, after) = (layer.contiguous, layer.chosen)
    return tag("tr") {
      tag("th", ["scope": "row"], "\(layer.layer)")
      tag("td", "\(Numbers.fixed(before.devicesPerToken, 2)) → \(Numbers.fixed(after.devicesPerToken, 2))")
      tag("td", "\(Numbers.fixed(before.remoteCopies, 2)) → \(Numbers.fixed(after.remoteCopies, 2))")
      tag("td", "\(Numbers.percent(before.intraShare)) → \(Numbers.percent(after.intraShare))")
      tag("td", "\(Numbers.fixed(before.imbalance, 2)) → \(Numbers.fixed(after.imbalance, 2))")
      for placed in [false, true] { tag("td") { loads(layer, placed: placed) } }
    }
  }

  /// Four bars the size of a word: the load of each device; the dashed line is their mean.
  private func loads(_ layer: LayerPlacement, placed: Bool) -> Markup {
    let map = HeatMap(layer, devices: study.facts.devices, placed: placed)
    let loads = map.blocks.map { block in Double(block.reduce(0) { $0 + layer.load[map.order[$1]] }) }
    let mean = max(loads.reduce(0, +) / Double(max(1, loads.count)), 1e-9)
    let shares = loads.map { $0 / mean }
    let width = 72 / Double(max(1, shares.count))
    // One scale for all layers: twice the mean fills the height.
    func height(_ share: Double) -> Double { min(24, share * 12) }
    return tag("div", ["class": "loads"]) {
      SVG.picture(
        id: "load-\(layer.layer)-\(placed ? "after" : "before")", width: 72, height: 26,
        title: "Load of each device in layer \(layer.layer)",
        description: "Relative to the mean: " + shares.map { Numbers.fixed($0, 2) }.joined(separator: ", ")
      ) {
        for (device, share) in shares.enumerated() {
          SVG.rect(
            Double(device) * width + 1, 25 - height(share), width - 2, height(share), class: "bar plain",
            title: "device \(device): \(Numbers.fixed(share, 2)) × the mean")
        }
        SVG.line(0, 13, 72, 13, class: "mean")
      }
    }
  }

  /// A small number in scientific form, or 0.
  static func small(_ value: Double) -> String {
    guard value != 0 else { return "0" }
    let text = "\(value)".lowercased()
    guard abs(value) < 1e-3 else { return Numbers.fixed(value, 4) }
    let parts = text.split(separator: "e")
    guard parts.count == 2, let mantissa = Double(parts[0]) else { return text }
    return "\(Numbers.fixed(mantissa, 1)) × 10^\(parts[1].replacing("-", with: "−"))"
  }
}
