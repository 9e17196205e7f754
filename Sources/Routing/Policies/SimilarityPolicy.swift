/// `similarity`, the paper's second rule, and `output_similarity`: the devices of `router`; each lost expert, by
/// falling p, gives way to the most similar expert there that is still free, ties to the lower expert id, NaN last.
///
/// - Source: Luo et al. 2025, Occult, similarity-based pruning.
struct SimilarityPolicy: PruningPolicy {
  /// `[E, E]`, rows are lost experts.
  let table: [Float]
  /// What is less similar replaces nothing; nil where everything may replace.
  let threshold: Float?

  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    token.keep(first: rule.limit)
    return true
  }

  @inline(__always)
  func useExperts(_ token: RoutingToken, _ rule: RoutingRule) -> Int {
    let scratch = token.scratch
    var filled = 0
    for slot in 0..<rule.topK {
      let expert = scratch.top[slot].index
      if scratch.kept[rule.placement[expert]] { use(expert, for: expert, token, &filled, rule) }
    }
    for slot in 0..<rule.topK {
      let lost = scratch.top[slot].index
      if scratch.kept[rule.placement[lost]] { continue }
      // A free expert exists: the kept devices hold at least k.
      let substitute = mostSimilar(to: lost, rule, scratch)
      // A similarity that is not a number is not above any threshold.
      if let threshold, !(table[lost * rule.experts + substitute] >= threshold) { continue }
      use(substitute, for: rule.weightSource == .own ? substitute : lost, token, &filled, rule)
    }
    for slot in 0..<filled { scratch.taken[scratch.best[slot].index] = false }
    return filled
  }

  @inline(__always)
  private func mostSimilar(to lost: Int, _ rule: RoutingRule, _ scratch: Scratch) -> Int {
    var best: UInt64 = 0
    var substitute = -1
    for device in 0..<rule.devices where scratch.kept[device] {
      for slot in rule.offsets[device]..<rule.offsets[device + 1] {
        let member = rule.members[slot]
        if scratch.taken[member] { continue }
        let key = RankKey(table[lost * rule.experts + member], member).bits
        if substitute < 0 || key > best {
          best = key
          substitute = member
        }
      }
    }
    return substitute
  }

  @inline(__always)
  private func use(_ expert: Int, for source: Int, _ token: RoutingToken, _ filled: inout Int, _ rule: RoutingRule) {
    token.scratch.taken[expert] = true
    token.scratch.source[expert] = source
    RankKey(token.p[source], expert).insert(into: token.scratch.best, &filled, capacity: rule.topK)
  }
}
