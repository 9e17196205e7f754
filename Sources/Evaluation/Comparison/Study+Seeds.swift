extension Study {
  /// Cells that differ in nothing but their seed, by rising seed; groups in the order of their first cell.
  var seedGroups: [[Cell]] {
    var (groups, places): ([[Cell]], [[String?]: Int]) = ([], [:])
    for cell in cells {
      if let place = places[[cell.arm, cell.evaluatedRule]] {
        groups[place].append(cell)
      } else {
        places[[cell.arm, cell.evaluatedRule]] = groups.count
        groups.append([cell])
      }
    }
    return groups.map { $0.sorted { ($0.seed ?? -1) < ($1.seed ?? -1) } }
  }

  /// Seeds are drawn alike for all arms, so all fine-tuned cells have to have the same ones.
  func checkSeeds() throws(ComparisonError) {
    var expected: (cell: String, seeds: [Int])?
    for group in seedGroups where group[0].fineTuned {
      let seeds = group.compactMap(\.seed)
      if let expected, expected.seeds != seeds {
        throw .differentSeeds(cell: group[0].name, other: expected.cell, expected: expected.seeds, found: seeds)
      }
      expected = expected ?? (group[0].name, seeds)
    }
  }
}

extension LossCurve {
  /// One curve from those of an arm's seeds, at least one: the mean at every step that all of them have.
  static func mean(_ seeds: [LossCurve]) -> LossCurve {
    let others = seeds.dropFirst().map { Dictionary($0.points.map { ($0.step, $0) }) { first, _ in first } }
    let points = seeds[0].points.compactMap { point -> Point? in
      let same = others.compactMap { $0[point.step] }
      guard same.count == others.count else { return nil }
      func mean(_ value: (Point) -> Double?) -> Double? {
        let values = ([point] + same).compactMap(value)
        return values.count == seeds.count ? values.reduce(0, +) / Double(values.count) : nil
      }
      return Point(step: point.step, tokens: point.tokens, train: mean(\.train), validation: mean(\.validation))
    }
    return LossCurve(arm: seeds[0].arm, points: points)
  }
}

extension CommunicationFigures {
  /// The mean of the figures of one layer from several seeds, at least one.
  static func mean(_ seeds: [CommunicationFigures]) -> CommunicationFigures {
    if seeds.count == 1 { return seeds[0] }
    func mean(_ value: (CommunicationFigures) -> Double) -> Double {
      seeds.reduce(0) { $0 + value($1) } / Double(seeds.count)
    }
    func known(_ value: (CommunicationFigures) -> Double?) -> Double? {
      let values = seeds.compactMap(value)
      return values.count == seeds.count ? values.reduce(0, +) / Double(values.count) : nil
    }
    return CommunicationFigures(
      layer: seeds[0].layer, devicesPerToken: mean(\.devicesPerToken), remoteCopies: mean(\.remoteCopies),
      naiveCopies: mean(\.naiveCopies), naiveRemoteCopies: mean(\.naiveRemoteCopies), bytes: mean(\.bytes),
      naiveBytes: mean(\.naiveBytes), intraShare: mean(\.intraShare), imbalanceRows: mean(\.imbalanceRows),
      imbalanceWire: mean(\.imbalanceWire), retainedMass: mean(\.retainedMass),
      copiesBetweenNodes: known(\.copiesBetweenNodes), copiesInsideNodes: known(\.copiesInsideNodes))
  }
}
