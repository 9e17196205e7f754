/// `c2r`: a token's best expert, and the best k − 1 of that expert's T most frequent partners.
///
/// By itself it bounds no device: partners gather on few devices where the placement follows the same counts. With a
/// limit, the devices are those of a walk over this choice, and lost experts are replaced as by `router`.
///
/// - Source: Zhang et al. 2025, arXiv 2504.01337 (C2R, collaboration-constrained routing).
struct PartnersPolicy: PruningPolicy {
  /// `[E, E]`: whether the column is among the row's partners.
  private let isPartner: [Bool]
  private let bounded: Bool

  /// A policy over partners `[E, T]`, T ≥ k − 1.
  init(_ partners: [Int32], experts: Int, bounded: Bool) {
    var isPartner = [Bool](repeating: false, count: experts * experts)
    let count = partners.count / experts
    for (slot, partner) in partners.enumerated() { isPartner[slot / count * experts + Int(partner)] = true }
    (self.isPartner, self.bounded) = (isPartner, bounded)
  }

  var looksAtEveryToken: Bool { true }

  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    let (scratch, choice) = (token.scratch, token.scratch.lists)
    let first = scratch.top[0]
    choice[0] = first
    scratch.pool.fill(token.p, count: rule.experts)
    let row = first.index * rule.experts
    scratch.pool.restrict(count: rule.experts) { isPartner[row + $0] }
    for slot in 1..<rule.topK { choice[slot] = scratch.pool.removeLargest() }
    for device in 0..<rule.devices { scratch.kept[device] = false }
    var hit = 0
    for slot in 0..<rule.topK {
      let device = rule.placement[choice[slot].index]
      if scratch.kept[device] { continue }
      if bounded && hit == rule.limit { continue }
      scratch.kept[device] = true
      hit += 1
    }
    return true
  }

  @inline(__always)
  func useExperts(_ token: RoutingToken, _ rule: RoutingRule) -> Int {
    let (scratch, choice) = (token.scratch, token.scratch.lists)
    var filled = 0
    for slot in 0..<rule.topK where scratch.kept[rule.placement[choice[slot].index]] {
      scratch.best[filled] = choice[slot]
      filled += 1
    }
    if filled < rule.topK {
      scratch.pool.fill(token.p, count: rule.experts)
      for slot in 0..<rule.topK { scratch.pool.remove(choice[slot].index) }
    }
    return rule.fillUp(filled, token)
  }
}
