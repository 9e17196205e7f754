extension RoutingRule {
  /// Routes a range of tokens.
  ///
  /// `used` is in order of falling weight, p[src], ties to the lower expert id: the order in which a layer sums
  /// outputs.
  ///
  /// - Parameters:
  ///   - probabilities: p, `[tokens, experts]`, row-major.
  ///   - firstToken: number of the first token in its batch or corpus; only policies that draw read it.
  ///   - chosen: receives S, the plain choice by falling p, `[tokens, k]`.
  ///   - used: receives S′, the experts after the limit, `[tokens, k]`, −1 where there are fewer than k.
  ///   - sources: receives src, `[tokens, k]`, −1 beside an absent expert.
  public func route(
    _ probabilities: UnsafeBufferPointer<Float>, firstToken: Int, chosen: UnsafeMutableBufferPointer<Int32>,
    used: UnsafeMutableBufferPointer<Int32>, sources: UnsafeMutableBufferPointer<Int32>
  ) {
    let tokens = probabilities.count / experts
    precondition(
      probabilities.count == tokens * experts,
      "route: \(probabilities.count) probabilities are no whole number of rows of \(experts) experts")
    precondition(
      chosen.count == tokens * topK && used.count == tokens * topK && sources.count == tokens * topK,
      "route: \(tokens) tokens × \(topK) experts do not fit into \(chosen.count), \(used.count), \(sources.count)")
    guard
      let p = probabilities.baseAddress, let chosen = chosen.baseAddress, let used = used.baseAddress,
      let sources = sources.baseAddress
    else { return }
    let batch = RoutingBatch(
      p: p, tokens: tokens, firstToken: firstToken, chosen: chosen, used: used, sources: sources)
    pruning.route(batch, self)
  }

  /// The same from and to arrays.
  ///
  /// - Parameters:
  ///   - probabilities: p, `[tokens, experts]`, row-major.
  ///   - firstToken: number of the first token; only policies that draw read it.
  /// - Returns: plain choice, experts used, sources of their weights, each `[tokens, k]`.
  public func route(_ probabilities: [Float], firstToken: Int = 0) -> (
    chosen: [Int32], used: [Int32], sources: [Int32]
  ) {
    let count = probabilities.count / experts * topK
    var chosen = [Int32](repeating: -1, count: count)
    var used = chosen
    var sources = chosen
    probabilities.withUnsafeBufferPointer { p in
      chosen.withUnsafeMutableBufferPointer { chosen in
        used.withUnsafeMutableBufferPointer { used in
          sources.withUnsafeMutableBufferPointer { sources in
            route(p, firstToken: firstToken, chosen: chosen, used: used, sources: sources)
          }
        }
      }
    }
    return (chosen, used, sources)
  }

  /// Routes a batch by a policy; every policy has its own compiled copy.
  @inline(__always)
  func route(_ batch: RoutingBatch, _ policy: some PruningPolicy) {
    Scratch.with(experts: experts, topK: topK, devices: devices) { scratch in
      for token in 0..<batch.tokens {
        let (p, slots) = (batch.p + token * experts, token * topK)
        choose(p, scratch)
        for slot in 0..<topK {
          let expert = Int32(truncatingIfNeeded: scratch.top[slot].index)
          batch.chosen[slots + slot] = expert
          batch.used[slots + slot] = expert
          batch.sources[slots + slot] = expert
        }
        if isUnpruned { continue }
        let token = RoutingToken(p: p, number: batch.firstToken + token, hit: markHitDevices(scratch), scratch: scratch)
        if token.hit <= limit && !policy.looksAtEveryToken { continue }
        guard policy.keepDevices(token, self) else { continue }
        let count = policy.useExperts(token, self)
        for slot in 0..<topK {
          let expert = slot < count ? scratch.best[slot].index : -1
          batch.used[slots + slot] = Int32(truncatingIfNeeded: expert)
          batch.sources[slots + slot] = expert < 0 ? -1 : Int32(truncatingIfNeeded: scratch.source[expert])
        }
      }
    }
  }

  /// Marks the devices that S hits, in the order in which a walk by falling p meets them.
  @inline(__always)
  private func markHitDevices(_ scratch: Scratch) -> Int {
    for device in 0..<devices { scratch.kept[device] = false }
    var hit = 0
    for slot in 0..<topK {
      let device = placement[scratch.top[slot].index]
      if scratch.kept[device] { continue }
      scratch.kept[device] = true
      scratch.order[hit] = device
      hit += 1
    }
    return hit
  }
}

/// Tokens to route, and where their experts go: `[tokens, experts]` in, `[tokens, k]` out.
struct RoutingBatch {
  let p: UnsafePointer<Float>
  let tokens: Int
  /// Number of the first token.
  let firstToken: Int
  let chosen: UnsafeMutablePointer<Int32>
  let used: UnsafeMutablePointer<Int32>
  let sources: UnsafeMutablePointer<Int32>
}
