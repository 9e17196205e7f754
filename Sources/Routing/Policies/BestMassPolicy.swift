/// `best_mass`: the L devices whose best k experts have the largest Σ p, by trying all C(D, L) sets.
struct BestMassPolicy: PruningPolicy {
  /// All sets of L devices as bit masks in lexicographic order, so that the first best one has the lowest devices.
  let sets: [UInt16]

  init(devices: Int, limit: Int) {
    var sets: [UInt16] = []
    var set = Array(0..<limit)
    while true {
      sets.append(set.reduce(0) { $0 | (1 << UInt16($1)) })
      guard let turn = set.indices.last(where: { set[$0] < devices - limit + $0 }) else { break }
      set[turn] += 1
      for later in turn + 1..<max(limit, turn + 1) { set[later] = set[later - 1] + 1 }
    }
    self.sets = sets
  }

  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    let scratch = token.scratch
    rule.listBest(rule.topK, token)
    var best = -Double.infinity
    var bestSet = sets[0]
    for set in sets {
      let sum = bestSum(token, set, rule)
      if sum > best {
        best = sum
        bestSet = set
      }
    }
    for device in 0..<rule.devices { scratch.kept[device] = bestSet & (1 << UInt16(device)) != 0 }
    return true
  }

  /// Σ p of the best k experts on a set of devices: a merge of their sorted lists.
  @inline(__always)
  private func bestSum(_ token: RoutingToken, _ set: UInt16, _ rule: RoutingRule) -> Double {
    let scratch = token.scratch
    for device in 0..<rule.devices { scratch.heads[device] = 0 }
    var sum = 0.0
    for _ in 0..<rule.topK {
      var best: UInt64 = 0
      var from = -1
      var rest = set
      while rest != 0 {
        let device = rest.trailingZeroBitCount
        rest &= rest - 1
        let head = scratch.heads[device]
        if head == scratch.lengths[device] { continue }
        let key = scratch.lists[device * rule.topK + head].bits
        if from < 0 || key > best {
          best = key
          from = device
        }
      }
      sum += token.p[scratch.lists[from * rule.topK + scratch.heads[from]].index].summand
      scratch.heads[from] += 1
    }
    return sum
  }
}

extension RoutingRule {
  /// Lists each device's best `count` ≤ k experts in `scratch.lists`, and how many there are in `scratch.lengths`.
  @inline(__always)
  func listBest(_ count: Int, _ token: RoutingToken) {
    for device in 0..<devices {
      var filled = 0
      let list = token.scratch.lists + device * topK
      for slot in offsets[device]..<offsets[device + 1] {
        RankKey(token.p[members[slot]], members[slot]).insert(into: list, &filled, capacity: count)
      }
      token.scratch.lengths[device] = filled
    }
  }
}
