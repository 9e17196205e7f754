import Formats
@testable import Routing

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
    var source: [Int: Int] = [:]
    if rule.isUnpruned { return Choice(chosen: chosen, used: chosen, sources: chosen) }
    switch rule.policy {
    case .fewerExperts:
      var generator = SplitMix64(seed: rule.seed, item: number)
      let kept = (rule.tables.keptExperts ?? [])[rule.limit - 1]
      let count = Int(kept) + (generator.uniform() < kept - Double(Int(kept)) ? 1 : 0)
      let used = Array(chosen.prefix(count)) + [Int](repeating: -1, count: max(0, rule.topK - count))
      return Choice(chosen: chosen, used: used, sources: used)
    case .collaborationConstrained: return collaborating(chosen)
    default: break
    }
    let kept = keptDevices(chosen)
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
    case .similarity, .outputSimilarity:
      for expert in lost {
        let free = available.filter { source[$0] == nil }
        let best = free.sorted {
          let (left, right) = (table(expert, $0), table(expert, $1))
          return left != right ? left > right : $0 < $1
        }[0]
        if rule.policy == .outputSimilarity {
          guard Double(table(expert, best)) >= rule.options.similarityThreshold else { continue }
        }
        source[best] = rule.weightSource == .own ? best : expert
      }
    default:
      for (new, old) in zip(ranked(available.filter { !chosen.contains($0) }), lost) {
        source[new] = rule.weightSource == .own ? new : old
      }
    }
    return summed(chosen, source)
  }

  /// The best expert and its partners, within the limit where there is one.
  private func collaborating(_ chosen: [Int]) -> Choice {
    let (experts, partners) = (rule.experts, rule.tables.partners ?? [])
    let width = partners.count / experts
    let row = partners[chosen[0] * width..<(chosen[0] + 1) * width].map(Int.init)
    let constrained = [chosen[0]] + ranked(row).prefix(rule.topK - 1)
    var kept: Set<Int> = []
    for expert in constrained where kept.count < rule.limit { kept.insert(rule.placement[expert]) }
    let staying = constrained.filter { kept.contains(rule.placement[$0]) }
    let others = (0..<experts).filter { kept.contains(rule.placement[$0]) && !constrained.contains($0) }
    let used = staying + ranked(others).prefix(rule.topK - staying.count)
    var source: [Int: Int] = [:]
    for expert in used { source[expert] = expert }
    if rule.weightSource == .inherited {
      for (new, old) in zip(ranked(used.filter { !chosen.contains($0) }), chosen.filter { !used.contains($0) }) {
        source[new] = old
      }
    }
    return summed(chosen, source)
  }

  /// Experts by falling weight.
  private func summed(_ chosen: [Int], _ source: [Int: Int]) -> Choice {
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
    if rule.policy == .none || (hit.count <= limit && rule.policy != .adaptive && rule.policy != .groupLimited) {
      return all
    }
    let byMass = hit.sorted { (mass($0, chosen), $1) > (mass($1, chosen), $0) }
    switch rule.policy {
    case .none, .fewerExperts, .collaborationConstrained: return all
    case .groupLimited:
      let count =
        switch rule.options.groupScore {
        case .max: 1
        case .top2Sum: 2
        case .topNSum: Int((Double(rule.topK) / Double(limit)).rounded(.up))
        }
      let best = (0..<rule.devices).map { device in
        Array(ranked((0..<rule.experts).filter { rule.placement[$0] == device }).prefix(count))
      }
      let order = (0..<rule.devices).sorted { left, right in
        let (a, b) = (sum(best[left]), sum(best[right]))
        return a != b ? a > b : ranked([best[left][0], best[right][0]])[0] == best[left][0]
      }
      return Set(order.prefix(limit))
    case .router, .similarity, .outputSimilarity, .drop:
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
        if sum >= (1 - rule.options.epsilon) * total && seats >= rule.topK { return kept }
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
  private func table(_ lost: Int, _ other: Int) -> Float { (rule.tables.similarity ?? [])[lost * rule.experts + other] }
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
