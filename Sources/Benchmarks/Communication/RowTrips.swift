internal import Routing
internal import ExpertParallel

/// The rows that tokens send between ranks in one direction, from their sets alone.
struct RowTrips {
  /// All of them.
  let all: Int
  /// Those that cross between nodes.
  let between: Int
  /// Rows on the busiest link: out of one rank, or into it.
  let busiest: Int

  /// Counts the way of every token.
  ///
  /// - Parameters:
  ///   - used: S′, `[D · tokens · k]`, rank by rank.
  ///   - rule: k, π and D.
  ///   - mode: A row for each device, or for each expert.
  ///   - isLayered: Whether rows cross to a node once, to its relay, and fan out there.
  ///   - layout: The nodes.
  ///   - tokens: Of each rank.
  init(
    _ used: [Int32], _ rule: RoutingRule, mode: DispatchPlan.Mode, isLayered: Bool, _ layout: NodeLayout, tokens: Int
  ) {
    var (leaving, arriving) = ([Int](repeating: 0, count: rule.devices), [Int](repeating: 0, count: rule.devices))
    var (all, between) = (0, 0)
    func send(_ from: Int, _ to: Int) {
      if from == to { return }
      leaving[from] += 1
      arriving[to] += 1
      all += 1
      between += layout.node(of: from) == layout.node(of: to) ? 0 : 1
    }
    for token in 0..<used.count / rule.topK {
      let home = token / tokens
      let devices = used[token * rule.topK..<(token + 1) * rule.topK].filter { $0 >= 0 }
        .map { rule.placement[Int($0)] }
      if mode == .naive {
        for device in devices { send(home, device) }
      } else if isLayered {
        for node in Set(devices.map(layout.node)) { send(home, layout.relay(from: home, to: node)) }
        for device in Set(devices) { send(layout.relay(from: home, to: layout.node(of: device)), device) }
      } else {
        for device in Set(devices) { send(home, device) }
      }
    }
    (self.all, self.between) = (all, between)
    busiest = (leaving + arriving).max() ?? 0
  }
}
