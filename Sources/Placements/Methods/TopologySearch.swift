internal import Formats
internal import Profiles
internal import Routing

/// Swaps of two experts that lower the cost of copies on two levels:
///
///     cost = w_device · Σ C_T + w_node · Σ N_T          N_T: distinct nodes that token t uses
///
/// Counts of a token's experts on every device and node are kept up to date; a swap is judged by the tokens that use
/// one of the two experts, since nothing changes for those that use both. Of more than `mostTokens` recorded tokens
/// every second, third, … is looked at.
struct TopologySearch {
  /// Tokens that a search looks at: so many place some hundred experts as well as all do, and fit into the cache.
  static let mostTokens = 25_000

  let experts: Int
  let devices: Int
  let nodes: Int
  let deviceWeight: Int
  let nodeWeight: Int
  /// Most load a device may carry, and a node.
  let caps: (device: Int64, node: Int64)

  private(set) var placement: [Int]
  private(set) var loads: [Int64]
  private(set) var nodeLoads: [Int64]
  private(set) var cost: Int

  private let topK: Int
  private let sets: [Int32]
  private let load: [Int64]
  private let perNode: Int
  /// [tokens, devices] and [tokens, nodes]: how many of a token's experts lie there.
  private var onDevice: [UInt16]
  private var onNode: [UInt16]
  /// Tokens by expert: expert e is used by `tokensOf[starts[e]..<starts[e + 1]]`.
  private let tokensOf: [Int32]
  private let starts: [Int]
  /// [experts, words]: the same as bits.
  private let bits: [UInt64]
  private let words: Int

  /// Starts from a placement.
  init(
    _ profile: LayerProfile, placement: [Int], devices: Int, nodes: Int, weights: (device: Int, node: Int),
    caps: (device: Int64, node: Int64)
  ) {
    experts = profile.experts
    self.devices = devices
    self.nodes = nodes
    (deviceWeight, nodeWeight) = weights
    self.caps = caps
    topK = profile.topK
    let stride = (profile.recorded + Self.mostTokens - 1) / Self.mostTokens
    sets =
      stride <= 1
      ? profile.sets
      : Swift.stride(from: 0, to: profile.recorded, by: stride).flatMap { [topK] token in
        profile.sets[token * topK..<(token + 1) * topK]
      }
    load = profile.load
    perNode = devices / nodes
    words = (sets.count / topK + 63) / 64
    var bits = [UInt64](repeating: 0, count: experts * words)
    var lists = [[Int32]](repeating: [], count: experts)
    for (slot, expert) in sets.enumerated() {
      let token = slot / topK
      lists[Int(expert)].append(Int32(truncatingIfNeeded: token))
      bits[Int(expert) * words + token / 64] |= 1 << UInt64(token % 64)
    }
    self.bits = bits
    tokensOf = lists.flatMap { $0 }
    starts = lists.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    self.placement = placement
    loads = []
    nodeLoads = []
    cost = 0
    onDevice = []
    onNode = []
    restart(from: placement)
  }

  /// Tokens looked at.
  var tokens: Int { sets.count / topK }

  /// Starts again from another placement.
  mutating func restart(from placement: [Int]) {
    self.placement = placement
    loads = Prediction.loads(load, placement: placement, devices: devices)
    nodeLoads = Prediction.loads(load, placement: placement.map { $0 / perNode }, devices: nodes)
    onDevice = [UInt16](repeating: 0, count: sets.count / topK * devices)
    onNode = [UInt16](repeating: 0, count: sets.count / topK * nodes)
    for (slot, expert) in sets.enumerated() {
      let device = placement[Int(expert)]
      onDevice[slot / topK * devices + device] += 1
      onNode[slot / topK * nodes + device / perNode] += 1
    }
    func rows(_ counts: [UInt16]) -> Int { counts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) } }
    cost = deviceWeight * rows(onDevice) + nodeWeight * rows(onNode)
  }

  /// What swapping a and b adds to the cost.
  func change(_ a: Int, _ b: Int) -> Int { change(a, without: b) + change(b, without: a) }

  /// The part of the tokens that use `expert` and not `other`, whose device it goes to.
  @inline(__always)
  private func change(_ expert: Int, without other: Int) -> Int {
    let (x, y) = (placement[expert], placement[other])
    let (from, to) = (x / perNode, y / perNode)
    let others = other * words
    var (byDevice, byNode) = (0, 0)
    for slot in starts[expert]..<starts[expert + 1] {
      let token = Int(tokensOf[slot])
      if bits[others + token / 64] & (1 << UInt64(token % 64)) != 0 { continue }
      byDevice += (onDevice[token * devices + y] == 0 ? 1 : 0) - (onDevice[token * devices + x] == 1 ? 1 : 0)
      if from != to {
        byNode += (onNode[token * nodes + to] == 0 ? 1 : 0) - (onNode[token * nodes + from] == 1 ? 1 : 0)
      }
    }
    return deviceWeight * byDevice + nodeWeight * byNode
  }

  /// Swaps a and b, which adds `change` to the cost.
  mutating func swap(_ a: Int, _ b: Int, change: Int) {
    let (x, y) = (placement[a], placement[b])
    for (expert, from, to) in [(a, x, y), (b, y, x)] {
      for slot in starts[expert]..<starts[expert + 1] {
        let token = Int(tokensOf[slot])
        onDevice[token * devices + from] -= 1
        onDevice[token * devices + to] += 1
        onNode[token * nodes + from / perNode] -= 1
        onNode[token * nodes + to / perNode] += 1
      }
    }
    placement[a] = y
    placement[b] = x
    loads[x] += load[b] - load[a]
    loads[y] += load[a] - load[b]
    nodeLoads[x / perNode] += load[b] - load[a]
    nodeLoads[y / perNode] += load[a] - load[b]
    cost += change
  }

  /// Load above the caps, summed over devices and nodes.
  var excess: Int64 {
    loads.reduce(0) { $0 + max(0, $1 - caps.device) } + nodeLoads.reduce(0) { $0 + max(0, $1 - caps.node) }
  }

  /// Excess after swapping a and b, minus excess before.
  func excessChange(_ a: Int, _ b: Int) -> Int64 {
    let (x, y) = (placement[a], placement[b])
    let shift = load[a] - load[b]
    func change(_ from: Int64, _ to: Int64, _ cap: Int64) -> Int64 {
      max(0, from - shift - cap) + max(0, to + shift - cap) - max(0, from - cap) - max(0, to - cap)
    }
    let onDevices = change(loads[x], loads[y], caps.device)
    let (from, to) = (x / perNode, y / perNode)
    return from == to ? onDevices : onDevices + change(nodeLoads[from], nodeLoads[to], caps.node)
  }

  /// Threshold accepting: random swaps that add at most a threshold, which falls to nothing; a swap that takes excess
  /// load away is always taken, one that adds some never. Ends at the best placement seen: least excess, then least
  /// cost.
  ///
  /// - Source: Dueck and Scheuer 1990; integers alone, so that no rounding of a machine decides.
  mutating func anneal(_ proposals: Int, threshold first: Int, withinNodes: Bool, _ generator: inout SplitMix64) {
    var best = (excess: excess, cost: cost, placement: placement)
    for proposal in 0..<proposals {
      let (a, b) = (generator.below(experts), generator.below(experts))
      let (x, y) = (placement[a], placement[b])
      if x == y || (withinNodes && x / perNode != y / perNode) { continue }
      let relief = excessChange(a, b)
      if relief > 0 { continue }
      let change = change(a, b)
      if relief == 0 && change > first * (proposals - proposal) / proposals { continue }
      swap(a, b, change: change)
      let now = excess
      if (now, cost) < (best.excess, best.cost) { best = (now, cost, placement) }
    }
    restart(from: best.placement)
  }

  /// Takes every swap that lowers the cost, until none does or `left` proposals are used up.
  mutating func descend(_ left: inout Int) {
    var improved = true
    while improved && left > 0 {
      improved = false
      for a in 0..<experts {
        for b in a + 1..<max(experts, a + 1) where left > 0 && placement[a] != placement[b] {
          left -= 1
          if excessChange(a, b) > 0 { continue }
          let change = change(a, b)
          if change < 0 {
            swap(a, b, change: change)
            improved = true
          }
        }
      }
    }
  }
}
