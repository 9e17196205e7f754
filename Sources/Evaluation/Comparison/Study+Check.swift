extension Study {
  /// Looks at everything but the documents' losses, which are checked where they are resampled.
  func check() throws(ComparisonError) {
    guard !cells.isEmpty else { throw .empty }
    var seen = Set<String>()
    for cell in cells {
      guard seen.insert(cell.name).inserted else { throw .repeatedCell(cell: cell.name) }
      try Self.check(cell.communication, place: cell.name)
      for figures in cell.layers {
        try Self.check(figures, place: "\(cell.name), layer \(figures.layer.map(String.init) ?? "?")")
      }
    }
    try checkSeeds()
    for curve in curves {
      for point in curve.points {
        for (name, value) in [("training loss", point.train), ("validation loss", point.validation)] {
          try Self.check(value ?? 0, name: name, place: "arm '\(curve.arm)', step \(point.step)")
        }
      }
    }
    for layer in layers { try layer.check(devices: facts.devices) }
    try Self.check(facts.seconds, name: "duration", place: "run")
    try Self.check(facts.maxLogitDifference ?? 0, name: "max |Δ logit|", place: "run")
  }

  private static func check(_ figures: CommunicationFigures, place: String) throws(ComparisonError) {
    for (name, value) in figures.named { try check(value, name: name, place: place) }
  }

  fileprivate static func check(_ value: Double, name: String, place: String) throws(ComparisonError) {
    guard value.isFinite else { throw .figure(place: place, name: name, found: "\(value)") }
  }
}

extension LayerPlacement {
  fileprivate func check(devices: Int) throws(ComparisonError) {
    guard coactivation.count == experts * experts else {
      throw .layer(
        layer: layer, name: "coactivation", expected: "\(experts) × \(experts) counts", found: "\(coactivation.count)")
    }
    guard load.count == experts else {
      throw .layer(layer: layer, name: "load", expected: "\(experts) counts", found: "\(load.count)")
    }
    for device in expertDevice where !(0..<devices).contains(device) {
      throw .layer(layer: layer, name: "expert_device", expected: "devices in 0..<\(devices)", found: "\(device)")
    }
    for (name, prediction) in [("contiguous", contiguous), ("chosen", chosen)] {
      let figures = [
        ("devices_per_token", prediction.devicesPerToken), ("remote_copies", prediction.remoteCopies),
        ("intra_share", prediction.intraShare), ("imbalance", prediction.imbalance),
      ]
      for (figure, value) in figures {
        try Study.check(value, name: "\(figure) (\(name))", place: "layer \(layer)")
      }
    }
  }
}
