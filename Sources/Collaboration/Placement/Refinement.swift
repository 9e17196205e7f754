/// The default placement: the best start, improved by swaps under the load cap.
enum Refinement {
  /// What came out, and of what.
  struct Outcome: Equatable {
    var placement: [Int]
    /// Σ C_T over recorded sets.
    var deviceRows: Int
    /// Swaps looked at.
    var proposals: Int
  }

  /// Refines a layer.
  ///
  /// 1. Starts: contiguous, the paper's greedy, load. One that is over the cap is first brought under it by the swaps that
  ///    take away most excess load.
  /// 2. From each start, swaps that lower Σ C_T and keep the cap, in seeded order, until no swap does.
  /// 3. From the best so far, three random swaps within the cap, then 2 again, kept if no worse; until `proposals` swaps
  ///    have been looked at.
  ///
  /// The cap is `loadCap` × mean load. Where even the load-only placement exceeds that (one expert may be heavier than a
  /// device's share), its heaviest device is the cap. The result is never worse than any start that is within the cap.
  static func place(
    _ profile: LayerProfile, devices: Int, options: PlacementOptions
  ) throws(PlacementError) -> Outcome {
    guard profile.recorded > 0 else { throw .noRecordedSets(layer: profile.layer) }
    if let loadCap = options.loadCap, !(loadCap >= 1) { throw .loadCap(loadCap) }
    let starts: [PlacementMethod] = [.contiguous, .occult, .load]
    var placements: [[Int]] = []
    for start in starts { placements.append(try start.place(profile, devices: devices, options: options)) }

    let evenest = Prediction.loads(profile.load, placement: placements[2], devices: devices).max() ?? 0
    let mean = Double(profile.load.reduce(0, +)) / Double(devices)
    let cap =
      options.loadCap.map { max(evenest, Int64(exactly: ($0 * mean).rounded(.down)) ?? Int64.max) } ?? Int64.max / 4
    var search = SwapSearch(profile, placement: placements[2], devices: devices, cap: cap)
    var generator = SplitMix64(seed: options.seed, item: profile.layer)
    var pairs: [(Int, Int)] = []
    for a in 0..<profile.experts { for b in a + 1..<max(profile.experts, a + 1) { pairs.append((a, b)) } }

    var left = options.proposals
    var best: Outcome?
    for placement in placements {
      search.restart(from: placement)
      guard search.repair(pairs) else { continue }
      search.descend(&pairs, &generator, &left)
      if search.deviceRows < best?.deviceRows ?? Int.max {
        best = Outcome(placement: search.placement, deviceRows: search.deviceRows, proposals: 0)
      }
    }
    guard var best else {
      preconditionFailure("refined: layer \(profile.layer): the load placement is over its own cap")
    }
    search.restart(from: best.placement)
    while left > 0 && devices > 1 {
      search.kick(swaps: 3, &generator)
      search.descend(&pairs, &generator, &left)
      if search.deviceRows <= best.deviceRows {
        best = Outcome(placement: search.placement, deviceRows: search.deviceRows, proposals: 0)
      } else {
        search.restart(from: best.placement)
      }
    }
    best.proposals = options.proposals - left
    return best
  }
}

extension SwapSearch {
  /// Brings every device under the cap, each time by the swap that takes away most excess load; ties to the smaller rise of
  /// Σ C_T, then to the earlier pair. `false` if no swap helps before that.
  mutating func repair(_ pairs: [(Int, Int)]) -> Bool {
    while excess > 0 {
      var best: (a: Int, b: Int, relief: Int64, change: Int)?
      for (a, b) in pairs where placement[a] != placement[b] {
        let relief = excessChange(a, b)
        if relief >= 0 || relief > best?.relief ?? 0 { continue }
        let change = change(a, b)
        if let best, relief == best.relief, change >= best.change { continue }
        best = (a, b, relief, change)
      }
      guard let best else { return false }
      swap(best.a, best.b, change: best.change)
    }
    return true
  }

  /// Takes every swap that lowers Σ C_T within the cap, until a whole round finds none or `left` proposals are used up.
  mutating func descend(_ pairs: inout [(Int, Int)], _ generator: inout SplitMix64, _ left: inout Int) {
    var improved = true
    while improved && left > 0 {
      improved = false
      generator.shuffle(&pairs)
      for (a, b) in pairs where left > 0 {
        left -= 1
        if placement[a] == placement[b] || bound(a, b) >= 0 || excessChange(a, b) > 0 { continue }
        let change = change(a, b)
        if change < 0 {
          swap(a, b, change: change)
          improved = true
        }
      }
    }
  }

  /// A few random swaps within the cap, to leave a local optimum.
  mutating func kick(swaps: Int, _ generator: inout SplitMix64) {
    for _ in 0..<swaps {
      let (a, b) = (generator.below(experts), generator.below(experts))
      if placement[a] == placement[b] || excessChange(a, b) > 0 { continue }
      swap(a, b, change: change(a, b))
    }
  }
}
