/// How a model itself chooses a token's k experts, before any limit of ours.
public enum ExpertSelection: Sendable, Equatable {
  /// The k experts of largest probability.
  case greedy
  /// The k largest inside the `kept` groups whose best expert is best; group g holds experts
  /// `g·E/groups..<(g+1)·E/groups`.
  ///
  /// - Source: DeepSeek-AI 2024, DeepSeek-V2, section 2.2.2, device-limited routing; `group_limited_greedy` in its
  ///   code.
  case groupLimited(groups: Int, kept: Int)
}

extension RoutingRule {
  /// Takes S from the pool, by falling p, into `scratch.top`; what stays in the pool are the experts not chosen.
  @inline(__always)
  func choose(_ p: UnsafePointer<Float>, _ scratch: Scratch) {
    scratch.pool.fill(p, count: experts)
    guard case .groupLimited(let groups, let kept) = selection else {
      for slot in 0..<topK { scratch.top[slot] = scratch.pool.removeLargest() }
      return
    }
    // The groups of the first `kept` experts that differ in group are those with the largest maxima, ties to the lower
    // index.
    let size = experts / groups
    var found = 0
    for group in 0..<groups { scratch.groups[group] = false }
    while found < kept {
      let group = scratch.pool.removeLargest().index / size
      if !scratch.groups[group] { found += 1 }
      scratch.groups[group] = true
    }
    scratch.pool.fill(p, count: experts)
    scratch.pool.restrict(count: experts) { scratch.groups[$0 / size] }
    for slot in 0..<topK { scratch.top[slot] = scratch.pool.removeLargest() }
    // Replacements come from all experts of the kept devices, whatever their group.
    scratch.pool.fill(p, count: experts)
    for slot in 0..<topK { scratch.pool.remove(scratch.top[slot].index) }
  }
}
