/// C_T with replicas: each token uses the smallest set of devices that holds its experts.
///
/// Among the smallest sets one with the token's home is taken, then the one whose devices come first in order. An expert that
/// lies on several devices of the set is computed at home if home is one of them, else on the first. Homes are expected: a
/// token lives on each device with chance 1/D, and every figure is the mean over homes.
struct Covers {
  /// With replicas; `intraShare` is that of recorded sets.
  let prediction: Prediction
  /// Nodes of the same sets.
  let nodePrediction: NodePrediction

  init(_ profile: LayerProfile, placement: [Int], replicas: [Replica], devices: Int, nodes: Int) {
    let (k, tokens, perNode) = (profile.topK, profile.recorded, devices / nodes)
    var holders = placement.map { [$0] }
    for replica in replicas { holders[replica.expert].append(replica.device) }
    for expert in holders.indices { holders[expert].sort() }

    // All sums count homes: a token adds D in total.
    var (visits, atHome, nodeVisits, intra) = (0, 0, 0, 0)
    var rows = [Int](repeating: 0, count: devices)
    for token in 0..<tokens {
      let lists = (0..<k).map { holders[Int(profile.sets[token * k + $0])] }
      let covers = Self.smallest(lists)
      /// Adds a token that lives at `home`, or anywhere that makes no difference, for `count` homes.
      func add(home: Int?, count: Int) {
        let cover = home.flatMap { home in covers.first { $0.contains(home) } } ?? covers[0]
        visits += cover.count * count
        if let home, cover.contains(home) { atHome += count }
        var served = [Int](repeating: 0, count: cover.count)
        var lastNode = -1
        for device in cover where device / perNode != lastNode {
          lastNode = device / perNode
          nodeVisits += count
        }
        for list in lists {
          let first =
            home.flatMap { list.contains($0) ? cover.firstIndex(of: $0) : nil }
            ?? cover.firstIndex(where: list.contains)
          guard let first else { continue }
          rows[cover[first]] += count
          served[first] += 1
        }
        intra += served.reduce(0) { $0 + $1 * ($1 - 1) / 2 } * count
      }
      // Only homes in a smallest set can change anything.
      let special = Set(covers.joined())
      for home in special { add(home: home, count: 1) }
      if special.count < devices { add(home: nil, count: devices - special.count) }
    }
    func mean(_ sum: Int) -> Double { tokens == 0 ? 0 : Double(sum) / Double(tokens * devices) }
    let pairs = k * (k - 1) / 2
    prediction = Prediction(
      devicesPerToken: mean(visits), remoteCopies: mean(visits - atHome),
      intraShare: pairs == 0 ? 0 : mean(intra) / Double(pairs),
      imbalance: CommunicationCounter.LayerTotals.imbalance(rows) ?? 1)
    let byNode = (0..<nodes).map { node in rows[node * perNode..<(node + 1) * perNode].reduce(0, +) }
    nodePrediction = NodePrediction(
      nodesPerToken: mean(nodeVisits), remoteCopies: mean(nodeVisits) * Double(nodes - 1) / Double(nodes),
      imbalance: CommunicationCounter.LayerTotals.imbalance(byNode) ?? 1)
  }

  /// The smallest sets of devices that meet every list.
  ///
  /// - Parameter lists: the devices of each expert, ascending.
  /// - Returns: each set ascending, sets in order.
  static func smallest(_ lists: [[Int]]) -> [[Int]] {
    // What lies on one device decides itself.
    let forced = Set(lists.filter { $0.count == 1 }.map { $0[0] })
    let open = lists.filter { list in list.count > 1 && !list.contains(where: forced.contains) }
    if open.isEmpty { return [forced.sorted()] }
    for size in 1...open.count {
      var found: Set<Set<Int>> = []
      extend([], open, size, &found)
      if found.isEmpty { continue }
      return found.map { $0.union(forced).sorted() }.sorted { $0.lexicographicallyPrecedes($1) }
    }
    preconditionFailure("Covers: \(open.count) lists are not met by one device each")
  }

  /// All sets of at most `size` devices that meet every list: the first list that is not met branches over its devices.
  private static func extend(_ chosen: Set<Int>, _ open: [[Int]], _ size: Int, _ found: inout Set<Set<Int>>) {
    guard let next = open.first(where: { list in !list.contains(where: chosen.contains) }) else {
      found.insert(chosen)
      return
    }
    if chosen.count == size { return }
    for device in next { extend(chosen.union([device]), open, size, &found) }
  }
}
