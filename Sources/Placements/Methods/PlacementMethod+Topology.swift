internal import Formats
public import Profiles
internal import Routing

extension PlacementMethod {
  /// Places one layer's experts on devices of several nodes, where a copy to another node costs more.
  ///
  ///     cost = E[C_T] + nodeCost · E[N_T]          N_T: distinct nodes that a token uses
  ///
  /// `refined` has two starts: experts split over nodes by the search on N groups, then packed evenly inside; and the
  /// search on D devices, dealt to nodes in their order. Each is improved by swaps inside nodes, then by any swaps,
  /// under the load cap of devices and of nodes; the cheapest within the cap stays, so that the result costs no more
  /// than the search that knows no nodes. Other methods place D devices and deal them to nodes in their order.
  ///
  /// - Parameters:
  ///   - profile: the layer.
  ///   - nodes: N, a divisor of D; node n has devices n·D/N ..< (n + 1)·D/N.
  ///   - devices: D of all nodes together, a divisor of E.
  ///   - nodeCost: of a copy to a node, beside 1 for a copy to a device.
  ///   - options: seed, load cap, effort; a tenth of `proposals`, or 20,000, goes to swaps on two levels.
  /// - Returns: π, expert → device.
  /// - Throws: `PlacementError` for impossible devices, nodes, cost or cap, or missing recorded sets.
  public func place(
    _ profile: LayerProfile, nodes: Int, devices: Int, nodeCost: Double = Self.defaultNodeCost,
    options: PlacementOptions = .init()
  ) throws(PlacementError) -> [Int] {
    guard nodes > 0, devices % nodes == 0 else { throw .nodes(file: "place", devices: devices, found: nodes) }
    guard nodeCost >= 0, nodeCost <= 1e6 else { throw .nodeCost(nodeCost) }
    if let loadCap = options.loadCap, !(loadCap >= 1) { throw .loadCap(loadCap) }
    if self != .refined || nodes == 1 { return try place(profile, devices: devices, options: options) }
    // With one expert a device, all placements are equal but for nodes.
    let flat = try (devices == profile.experts ? .contiguous : self).place(profile, devices: devices, options: options)
    guard profile.recorded > 0 else { throw .noRecordedSets(layer: profile.layer) }

    var tighter = options
    // Half of the cap's room is for nodes, so that devices inside keep some.
    tighter.loadCap = options.loadCap.map { 1 + ($0 - 1) / 2 }
    let node = try place(profile, devices: nodes, options: tighter)
    let hierarchical = Self.packed(profile.load, node: node, nodes: nodes, devices: devices)

    /// `loadCap` × mean, or the heaviest of the evenest placement where that is more.
    func cap(_ count: Int) -> Int64 {
      guard let loadCap = options.loadCap else { return .max / 4 }
      let even = Prediction.loads(profile.load, placement: Self.balanced(profile.load, devices: count), devices: count)
      let mean = Double(profile.load.reduce(0, +)) / Double(count)
      return max(even.max() ?? 0, Int64(exactly: (loadCap * mean).rounded(.down)) ?? .max / 4)
    }
    var search = TopologySearch(
      profile, placement: flat, devices: devices, nodes: nodes, weights: (1000, Int((nodeCost * 1000).rounded())),
      caps: (cap(devices), cap(nodes)))
    var generator = SplitMix64(seed: options.seed, item: profile.layer)
    let asked: Int? = options.proposals
    let budget = asked.map { $0 / 10 } ?? Self.twoLevelProposals
    // A copy in 20 of a mean expert's tokens, on both levels.
    let threshold = (search.deviceWeight + search.nodeWeight) * search.tokens * profile.topK / profile.experts / 20
    var candidates = [flat]
    for start in [hierarchical, flat] {
      search.restart(from: start)
      search.anneal(budget / 4, threshold: threshold, withinNodes: true, &generator)
      search.anneal(budget / 4, threshold: threshold, withinNodes: false, &generator)
      var left = budget / 2
      search.descend(&left)
      candidates.append(search.placement)
    }
    // Judged on all tokens: least load above the caps, then least cost, then the earlier.
    let judged = candidates.map { placement in
      let rows = { (placement: [Int], count: Int) in
        Prediction.deviceRows(profile.sets, topK: profile.topK, placement: placement, devices: count)
      }
      search.restart(from: placement)
      let cost =
        search.deviceWeight * rows(placement, devices)
        + search.nodeWeight * rows(placement.map { $0 / (devices / nodes) }, nodes)
      return (excess: search.excess, cost: cost)
    }
    let best = judged.indices.min { (judged[$0].excess, judged[$0].cost) < (judged[$1].excess, judged[$1].cost) }
    return candidates[best ?? 0]
  }

  /// Swaps proposed on two levels where nothing is asked for.
  private static let twoLevelProposals = 20_000

  /// What a copy to a node costs beside one to a device, unless said otherwise: about NVLink against a network card per
  /// device.
  public static let defaultNodeCost = 4.0

  /// Each node's experts on its devices, heaviest first to the least loaded with room.
  private static func packed(_ load: [Int64], node: [Int], nodes: Int, devices: Int) -> [Int] {
    var placement = [Int](repeating: 0, count: node.count)
    let perNode = devices / nodes
    for n in 0..<nodes {
      let members = node.indices.filter { node[$0] == n }
      let inside = balanced(members.map { load[$0] }, devices: perNode)
      for (expert, device) in zip(members, inside) { placement[expert] = n * perNode + device }
    }
    return placement
  }
}
