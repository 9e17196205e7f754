internal import Profiles
internal import Routing

/// C_T with replicas: each token uses the smallest set of devices that holds its experts.
///
/// Among the smallest sets one with the token's home is taken, then the one whose devices come first in order. An
/// expert that lies on several devices of the set is computed at home if home is one of them, else on the first. Homes
/// are expected: a token lives on each device with chance 1/D, and every figure is the mean over homes.
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
      let covers = SmallestCovers(lists)
      /// Adds a token that lives at `home`, or anywhere that makes no difference, for `count` homes.
      func add(home: Int?, count: Int) {
        let cover = home.flatMap(covers.first(with:)) ?? covers.first
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
      for home in covers.devices { add(home: home, count: 1) }
      if covers.devices.count < devices { add(home: nil, count: devices - covers.devices.count) }
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
}

/// The smallest sets of devices that meet every list.
///
/// Devices that meet the same lists stand for each other, and a smallest set holds no two of them: sets are made of
/// such groups, which are few even where an expert lies on hundreds of devices.
struct SmallestCovers {
  /// Every device of any smallest set, ascending.
  let devices: [Int]
  /// The first smallest set in order, ascending.
  let first: [Int]

  /// Devices that some list leaves no choice about.
  private let forced: [Int]
  /// Devices that meet the same open lists, ascending.
  private let groups: [[Int]]
  /// The groups of each smallest set, beside `forced`.
  private let sets: [[Int]]

  /// Finds them.
  ///
  /// - Parameter lists: the devices of each expert, ascending, at most 64 lists.
  init(_ lists: [[Int]]) {
    let certain = Set(lists.filter { $0.count == 1 }.map { $0[0] })
    let open = lists.filter { list in list.count > 1 && !list.contains(where: certain.contains) }
    precondition(open.count <= 64, "SmallestCovers: \(open.count) lists, at most 64")
    var masks: [Int: UInt64] = [:]
    for (bit, list) in open.enumerated() {
      for device in list { masks[device, default: 0] |= 1 << UInt64(bit) }
    }
    let byMask = Dictionary(grouping: masks.keys.sorted()) { masks[$0] ?? 0 }
    let known = byMask.sorted { $0.value[0] < $1.value[0] }
    let full = open.isEmpty ? 0 : UInt64.max >> UInt64(64 - open.count)
    var found: Set<[Int]> = []
    var size = 0
    while found.isEmpty {
      Self.extend([], 0, known.map(\.key), full, size, &found)
      size += 1
    }
    forced = certain.sorted()
    groups = known.map(\.value)
    sets = Array(found)
    devices = (certain.sorted() + Set(found.joined()).flatMap { known[$0].value }).sorted()
    first = Self.earliest(forced, sets, groups, home: nil)
  }

  /// The first smallest set that has a device; `nil` where none has it.
  ///
  /// - Parameter home: the device.
  /// - Returns: ascending.
  func first(with home: Int) -> [Int]? {
    if first.contains(home) { return first }
    guard let group = groups.firstIndex(where: { $0.contains(home) }) else { return nil }
    let with = sets.filter { $0.contains(group) }
    return with.isEmpty ? nil : Self.earliest(forced, with, groups, home: (home, group))
  }

  /// The first set in order, with the lowest device of each group, but `home` for its own.
  private static func earliest(
    _ forced: [Int], _ sets: [[Int]], _ groups: [[Int]], home: (device: Int, group: Int)?
  ) -> [Int] {
    let made = sets.map { set in
      (forced + set.map { $0 == home?.group ? home?.device ?? 0 : groups[$0][0] }).sorted()
    }
    return made.min { $0.lexicographicallyPrecedes($1) } ?? forced
  }

  /// All sets of at most `size` groups that meet every list: the first list that is not met branches over its groups.
  private static func extend(
    _ chosen: [Int], _ met: UInt64, _ masks: [UInt64], _ full: UInt64, _ size: Int, _ found: inout Set<[Int]>
  ) {
    if met == full {
      found.insert(chosen.sorted())
      return
    }
    if chosen.count == size { return }
    let next: UInt64 = 1 << UInt64((~met & full).trailingZeroBitCount)
    for (group, mask) in masks.enumerated() where mask & next != 0 {
      extend(chosen + [group], met | mask, masks, full, size, &found)
    }
  }
}
