// Which experts stand in for the lost ones, for the policies that have no way of their own.
extension RoutingRule {
  /// Puts an expert of S, by falling p, in the list of used ones, with its own weight.
  @inline(__always)
  func list(_ key: RankKey, at slot: Int, _ scratch: Scratch) {
    scratch.best[slot] = key
    scratch.source[key.index] = key.index
  }

  /// The experts of S on kept devices, and no others.
  @inline(__always)
  func useStaying(_ token: RoutingToken) -> Int {
    let scratch = token.scratch
    var filled = 0
    for slot in 0..<topK where scratch.kept[placement[scratch.top[slot].index]] {
      list(scratch.top[slot], at: filled, scratch)
      filled += 1
    }
    return filled
  }

  /// The experts of S on kept devices, filled up with the best others there.
  ///
  /// Under a greedy selection the former outrank all others there; where the model limits its choice to groups they
  /// need not.
  @inline(__always)
  func useBest(_ token: RoutingToken) -> Int { fillUp(useStaying(token), token) }

  /// Fills a list of used experts up with the best of the pool that lie on kept devices.
  @inline(__always)
  func fillUp(_ count: Int, _ token: RoutingToken) -> Int {
    let scratch = token.scratch
    var filled = count
    if filled < topK { scratch.pool.restrict(to: scratch.kept, placement) }
    while filled < topK { scratch.pool.removeLargest().insert(into: scratch.best, &filled, capacity: topK) }
    for slot in 0..<filled { scratch.source[scratch.best[slot].index] = scratch.best[slot].index }
    if weightSource == .inherited { pairLostWithNew(token.p, filled, scratch) }
    return filled
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
