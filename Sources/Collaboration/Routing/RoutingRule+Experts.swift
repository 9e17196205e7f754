/// Which experts stand in for the lost ones, and in which order they are summed.
extension RoutingRule {
  @inline(__always)
  func replaceExperts(
    _ p: UnsafePointer<Float>, used: UnsafeMutablePointer<Int32>, sources: UnsafeMutablePointer<Int32>,
    _ scratch: Scratch
  ) {
    var filled = 0
    switch policy {
    case .drop:
      for slot in 0..<topK where scratch.kept[placement[scratch.top[slot].index]] {
        scratch.best[filled] = scratch.top[slot]
        scratch.source[scratch.top[slot].index] = scratch.top[slot].index
        filled += 1
      }
    case .similarity:
      substituteBySimilarity(p, &filled, scratch)
    case .none, .router, .mass, .bestMass, .adaptive, .randomDevices:
      // Chosen experts on kept devices stay; the rest comes from those not chosen. Under a greedy selection the former
      // outrank all others there; where the model limits its choice to groups they need not.
      for slot in 0..<topK where scratch.kept[placement[scratch.top[slot].index]] {
        scratch.best[filled] = scratch.top[slot]
        filled += 1
      }
      scratch.pool.restrict(to: scratch.kept, placement)
      while filled < topK { scratch.pool.removeLargest().insert(into: scratch.best, &filled, capacity: topK) }
      for slot in 0..<filled { scratch.source[scratch.best[slot].index] = scratch.best[slot].index }
      if weightSource == .inherited { pairLostWithNew(p, filled, scratch) }
    }
    for slot in 0..<topK {
      let expert = slot < filled ? scratch.best[slot].index : -1
      used[slot] = Int32(truncatingIfNeeded: expert)
      sources[slot] = expert < 0 ? -1 : Int32(truncatingIfNeeded: scratch.source[expert])
    }
  }

  /// Each lost expert, by falling p, is replaced by its most similar expert that is kept and still free; ties to the
  /// lower expert id, NaN last.
  private func substituteBySimilarity(_ p: UnsafePointer<Float>, _ filled: inout Int, _ scratch: Scratch) {
    for slot in 0..<topK {
      let expert = scratch.top[slot].index
      if scratch.kept[placement[expert]] { use(expert, for: expert, p, &filled, scratch) }
    }
    for slot in 0..<topK {
      let lost = scratch.top[slot].index
      if scratch.kept[placement[lost]] { continue }
      var best: UInt64 = 0
      var substitute = -1
      for device in 0..<devices where scratch.kept[device] {
        for member in offsets[device]..<offsets[device + 1] where !scratch.taken[members[member]] {
          let key = RankKey(similarity[lost * experts + members[member]], members[member]).bits
          if substitute < 0 || key > best {
            best = key
            substitute = members[member]
          }
        }
      }
      // A free expert exists: the kept devices hold at least k.
      use(substitute, for: weightSource == .own ? substitute : lost, p, &filled, scratch)
    }
    for slot in 0..<filled { scratch.taken[scratch.best[slot].index] = false }
  }

  @inline(__always)
  private func use(
    _ expert: Int, for source: Int, _ p: UnsafePointer<Float>, _ filled: inout Int, _ scratch: Scratch
  ) {
    scratch.taken[expert] = true
    scratch.source[expert] = source
    RankKey(p[source], expert).insert(into: scratch.best, &filled, capacity: topK)
  }

  /// The j-th lost expert by falling p gives its weight to the j-th new one by falling p.
  private func pairLostWithNew(_ p: UnsafePointer<Float>, _ count: Int, _ scratch: Scratch) {
    for slot in 0..<topK { scratch.taken[scratch.top[slot].index] = true }
    var next = 0
    for slot in 0..<count where !scratch.taken[scratch.best[slot].index] {
      while isUsed(scratch.top[next].index, count, scratch) { next += 1 }
      scratch.source[scratch.best[slot].index] = scratch.top[next].index
      next += 1
    }
    for slot in 0..<topK { scratch.taken[scratch.top[slot].index] = false }
    // Weights have changed: bring the list back into their falling order.
    for slot in 0..<count {
      let expert = scratch.best[slot].index
      var filled = slot
      RankKey(p[scratch.source[expert]], expert).insert(into: scratch.best, &filled, capacity: count)
    }
  }

  @inline(__always)
  private func isUsed(_ expert: Int, _ count: Int, _ scratch: Scratch) -> Bool {
    for slot in 0..<count where scratch.best[slot].index == expert { return true }
    return false
  }
}
