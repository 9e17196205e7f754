extension RoutingRule {
  /// Routes a range of tokens.
  ///
  /// `used` is in order of falling weight, p[src], ties to the lower expert id: the order in which a layer sums outputs.
  ///
  /// - Parameters:
  ///   - probabilities: p, `[tokens, experts]`, row-major.
  ///   - firstToken: number of the first token in its batch or corpus; only `random_devices` reads it.
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
    Scratch.with(experts: experts, topK: topK, devices: devices) { scratch in
      for token in 0..<tokens {
        routeToken(
          p + token * experts, number: firstToken + token, chosen: chosen + token * topK, used: used + token * topK,
          sources: sources + token * topK, scratch)
      }
    }
  }

  /// The same from and to arrays.
  ///
  /// - Parameters:
  ///   - probabilities: p, `[tokens, experts]`, row-major.
  ///   - firstToken: number of the first token; only `random_devices` reads it.
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

  @inline(__always)
  private func routeToken(
    _ p: UnsafePointer<Float>, number: Int, chosen: UnsafeMutablePointer<Int32>, used: UnsafeMutablePointer<Int32>,
    sources: UnsafeMutablePointer<Int32>, _ scratch: Scratch
  ) {
    choose(p, scratch)
    for slot in 0..<topK {
      let expert = Int32(truncatingIfNeeded: scratch.top[slot].index)
      chosen[slot] = expert
      used[slot] = expert
      sources[slot] = expert
    }
    if isUnpruned { return }
    for device in 0..<devices { scratch.kept[device] = false }
    if keepDevices(p, number: number, scratch) { return }
    replaceExperts(p, used: used, sources: sources, scratch)
  }
}
