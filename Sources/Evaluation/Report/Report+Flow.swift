extension Report {
  /// Which devices a token's experts live on together, and how much work each device has.
  var flow: [Markup] {
    guard !study.layers.isEmpty, study.facts.devices > 1, study.facts.devices <= 16 else { return [] }
    return [
      Page.section(
        "flow", "Flow between devices",
        lead:
          "Counted on the profile, all layers together. The matrix has the pairs of experts that a token uses together, "
          + "by the devices that hold them: on the diagonal both share one copy of the token, elsewhere the token travels "
          + "to both devices. The bars have the expert rows that each device computes."
      ) {
        tag("div", ["class": "pair"]) {
          let flows = [false, true].map { DeviceFlow(study.layers, devices: study.facts.devices, placed: $0) }
          let shares = flows.flatMap { $0.pairs.flatMap(\.self) }
          for (flow, placed) in zip(flows, [false, true]) {
            tag("figure") {
              tag("h3", placed ? "Pairs of experts, placed" : "Pairs of experts, original order")
              flowMatrix(flow, placed, from: shares.min() ?? 0, to: shares.max() ?? 0)
            }
          }
        }
        tag("figure", ["class": "wide below"]) {
          tag("h3", "Load of each device")
          deviceLoads
          tag(
            "figcaption",
            "Mean over layers, by whisker from the layer where the device has least to that where it has most. 1 is even."
          )
        }
      }
    ]
  }

  private func flowMatrix(_ flow: DeviceFlow, _ placed: Bool, from lowest: Double, to highest: Double) -> Markup {
    let devices = study.facts.devices
    let (left, top, side) = (54.0, 30.0, 300.0)
    let cell = side / Double(devices)
    let inside = (0..<devices).reduce(0) { $0 + flow.pairs[$1][$1] }
    let rows = (0..<devices).map { row in
      "Device \(row): " + flow.pairs[row].map(Numbers.percent).joined(separator: ", ") + "."
    }
    return SVG.picture(
      id: "flow-\(placed ? "after" : "before")", width: left + side + 16, height: top + side + 12,
      title: "Pairs of experts by device, \(placed ? "placed" : "in their original order")",
      description: "\(Numbers.percent(inside)) of pairs share a device. " + rows.joined(separator: " ")
    ) {
      SVG.text(left + side / 2, 12, "device of one expert", anchor: "middle", class: "title")
      tag(
        "text",
        [
          "class": "title", "text-anchor": "middle",
          "transform": "translate(13 \(SVG.number(top + side / 2))) rotate(-90)",
        ], "device of the other")
      for row in 0..<devices {
        let y = top + cell * Double(row)
        SVG.text(left - 8, y + cell / 2 + 4, "\(row)", anchor: "end")
        SVG.text(left + cell * (Double(row) + 0.5), top - 5, "\(row)", anchor: "middle")
        for column in 0..<devices {
          let share = flow.pairs[row][column]
          // Only the four lightest steps of the scale, on which dark text reads well; dark mode likewise.
          let level = highest > lowest ? min(3, Int((share - lowest) / (highest - lowest) * 4)) : 0
          tag(
            "rect",
            [
              "x": SVG.number(left + cell * Double(column) + 1), "y": SVG.number(y + 1), "width": SVG.number(cell - 2),
              "height": SVG.number(cell - 2), "rx": "3", "style": "fill:var(--h\(level))",
            ])
          if devices <= 8 {
            SVG.text(
              left + cell * (Double(column) + 0.5), y + cell / 2 + 4, Numbers.percent(share), anchor: "middle",
              class: row == column ? "inside" : "name")
          }
        }
      }
    }
  }

  private var deviceLoads: Markup {
    let devices = study.facts.devices
    let flows = [false, true].map { DeviceFlow(study.layers, devices: devices, placed: $0) }
    let values = flows.flatMap { $0.loads.flatMap { [$0.low, $0.high] } }
    let plot = Plot(width: 490, height: 260, margins: (12, 10, 46, 54), x: [0, 1], y: [0, 1] + values)
    let step = (plot.right - plot.left) / Double(devices)
    let width = min(34, step * 0.36)
    let words = ["original order", "placed"]
    let description = zip(words, flows).map { name, flow in
      "\(name): " + flow.loads.map { Numbers.fixed($0.mean, 2) }.joined(separator: ", ") + "."
    }
    return tag("div") {
      tag("ul", ["class": "legend"]) {
        for (place, name) in words.enumerated() {
          tag("li") {
            tag("svg", ["viewBox": "0 0 26 14", "aria-hidden": "true"]) {
              SVG.rect(6, 1, 13, 12, class: "bar s\(place)")
            }
            name
          }
        }
      }
      SVG.picture(
        id: "device-loads", width: plot.width, height: plot.height, title: "Load of each device over the mean of all",
        description: description.joined(separator: " ")
      ) {
        plot.yAxis("load / mean of devices")
        for (place, flow) in flows.enumerated() {
          for (device, load) in flow.loads.enumerated() {
            let x = plot.left + step * (Double(device) + 0.5) + (width + 2) * (Double(place) - 1)
            SVG.rect(
              x, plot.y(load.mean), width, plot.bottom - plot.y(load.mean), class: "bar s\(place)",
              title: "device \(device), \(words[place]): \(Numbers.fixed(load.mean, 2)), from "
                + "\(Numbers.fixed(load.low, 2)) to \(Numbers.fixed(load.high, 2))")
            SVG.line(x + width / 2, plot.y(load.low), x + width / 2, plot.y(load.high), class: "range")
          }
        }
        SVG.line(plot.left, plot.y(1), plot.right, plot.y(1), class: "mean")
        plot.xAxis("device", numbers: false)
        for device in 0..<devices {
          SVG.text(plot.left + step * (Double(device) + 0.5), plot.bottom + 17, "\(device)", anchor: "middle")
        }
      }
    }
  }
}

/// Co-activations and loads, by device.
struct DeviceFlow {
  /// Share of all co-activated pairs whose experts live on two devices, [D][D], half on each side of the diagonal.
  let pairs: [[Double]]
  /// Load of each device over the mean of its layer: the mean, the least and the most over layers.
  let loads: [(mean: Double, low: Double, high: Double)]

  init(_ layers: [LayerPlacement], devices: Int, placed: Bool) {
    var pairs = [[Double]](repeating: [Double](repeating: 0, count: devices), count: devices)
    var loads = [[Double]](repeating: [], count: devices)
    for layer in layers {
      let map = HeatMap(layer, devices: devices, placed: placed)
      var device = [Int](repeating: 0, count: layer.experts)
      for (place, block) in map.blocks.enumerated() { for index in block { device[map.order[index]] = place } }
      for i in 0..<layer.experts {
        for j in 0..<layer.experts where i != j {
          pairs[device[i]][device[j]] += Double(layer.coactivation[i * layer.experts + j])
        }
      }
      let mean = max(Double(layer.load.reduce(0, +)) / Double(devices), 1e-9)
      for place in 0..<devices {
        loads[place].append(
          Double(layer.load.indices.reduce(0) { $0 + (device[$1] == place ? layer.load[$1] : 0) }) / mean)
      }
    }
    let all = max(pairs.reduce(0) { $0 + $1.reduce(0, +) }, 1e-9)
    self.pairs = pairs.map { $0.map { $0 / all } }
    self.loads = loads.map { ($0.reduce(0, +) / Double(max(1, $0.count)), $0.min() ?? 0, $0.max() ?? 0) }
  }
}
