@testable import Collaboration

/// The routing rule again, written to be read: sorts and sets instead of keys and lists.
struct RoutingReference {
  let rule: RoutingRule
  let p: [Float]
  let number: Int

  struct Choice: Equatable {
    var chosen: [Int]
    var used: [Int]
    var sources: [Int]
  }

  func route() -> Choice {
    let chosen = choice()
    let kept = keptDevices(chosen)
    var source: [Int: Int] = [:]
    if kept.isSuperset(of: chosen.map { rule.placement[$0] }) {
      for expert in chosen { source[expert] = expert }
      return Choice(chosen: chosen, used: chosen, sources: chosen)
    }
    let available = (0..<rule.experts).filter { kept.contains(rule.placement[$0]) }
    let staying = chosen.filter { available.contains($0) }
    let lost = chosen.filter { !available.contains($0) }
    for expert in staying { source[expert] = expert }
    switch rule.policy {
    case .drop: break
    case .similarity:
      for expert in lost {
        let free = available.filter { source[$0] == nil }
        let best = free.sorted {
          let (left, right) = (table(expert, $0), table(expert, $1))
          return left != right ? left > right : $0 < $1
        }[0]
        source[best] = rule.weightSource == .own ? best : expert
      }
    default:
      for (new, old) in zip(ranked(available.filter { !chosen.contains($0) }), lost) {
        source[new] = rule.weightSource == .own ? new : old
      }
    }
    let used = source.keys.sorted {
      let (left, right) = (value(source[$0] ?? 0), value(source[$1] ?? 0))
      return left != right ? left > right : $0 < $1
    }
    let absent = [Int](repeating: -1, count: rule.topK - used.count)
    return Choice(chosen: chosen, used: used + absent, sources: used.map { source[$0] ?? -1 } + absent)
  }

  /// The model's own choice.
  private func choice() -> [Int] {
    guard case .groupLimited(let groups, let kept) = rule.selection else {
      return Array(ranked(Array(0..<rule.experts)).prefix(rule.topK))
    }
    let size = rule.experts / groups
    let best = (0..<groups).map { group in ranked(Array(group * size..<(group + 1) * size))[0] }
    let members = ranked(best).prefix(kept).flatMap { Array($0 / size * size..<($0 / size + 1) * size) }
    return Array(ranked(members).prefix(rule.topK))
  }

  private func keptDevices(_ chosen: [Int]) -> Set<Int> {
    let all = Set(0..<rule.devices)
    let limit = min(rule.deviceLimit ?? rule.devices, rule.devices)
    let hit = Set(chosen.map { rule.placement[$0] })
    if rule.policy == .none || (hit.count <= limit && rule.policy != .adaptive) { return all }
    let byMass = hit.sorted { (mass($0, chosen), $1) > (mass($1, chosen), $0) }
    switch rule.policy {
    case .none: return all
    case .router, .similarity, .drop:
      var kept: Set<Int> = []
      for expert in chosen where kept.count < limit { kept.insert(rule.placement[expert]) }
      return kept
    case .mass: return Set(byMass.prefix(limit))
    case .bestMass:
      let sets = subsets(Array(0..<rule.devices), limit)
      let best = sets.map(bestMass).max() ?? 0
      return Set(sets.first { bestMass($0) == best } ?? [])
    case .adaptive:
      let total = byMass.reduce(0.0) { $0 + mass($1, chosen) }
      for count in 1...min(limit, hit.count) {
        let kept = Set(byMass.prefix(count))
        let seats = rule.placement.filter(kept.contains).count
        let sum = byMass.prefix(count).reduce(0.0) { $0 + mass($1, chosen) }
        if sum >= (1 - rule.epsilon) * total && seats >= rule.topK { return kept }
      }
      return Set(byMass.prefix(limit))
    case .randomDevices:
      var left = hit.sorted()
      var generator = SplitMix64(seed: rule.seed, item: number)
      for slot in 0..<limit { left.swapAt(slot, slot + generator.below(left.count - slot)) }
      return Set(left.prefix(limit))
    }
  }

  private func value(_ expert: Int) -> Float { p[expert].isNaN ? -.infinity : p[expert] }
  private func table(_ lost: Int, _ other: Int) -> Float { rule.similarity[lost * rule.experts + other] }
  private func ranked(_ experts: [Int]) -> [Int] {
    experts.sorted { value($0) != value($1) ? value($0) > value($1) : $0 < $1 }
  }
  private func sum(_ experts: [Int]) -> Double { experts.reduce(0.0) { $0 + (p[$1].isNaN ? 0 : Double(p[$1])) } }
  private func mass(_ device: Int, _ chosen: [Int]) -> Double { sum(chosen.filter { rule.placement[$0] == device }) }
  private func bestMass(_ devices: [Int]) -> Double {
    sum(Array(ranked((0..<rule.experts).filter { devices.contains(rule.placement[$0]) }).prefix(rule.topK)))
  }
  private func subsets(_ items: [Int], _ count: Int) -> [[Int]] {
    if count == 0 { return [[]] }
    return items.indices.flatMap { first in
      subsets(Array(items[(first + 1)...]), count - 1).map { [items[first]] + $0 }
    }
  }
}
