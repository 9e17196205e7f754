/// `adaptive`: the fewest devices that keep 1 − ε of the top-k mass, at most L.
struct AdaptivePolicy: PruningPolicy {
  let epsilon: Double

  var looksAtEveryToken: Bool { true }

  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    MassPolicy.sort(token, rule)
    let count = fewest(token, rule)
    token.keep(first: count)
    return count < token.hit
  }

  /// How many devices, in order of falling mass, keep 1 − ε of the top-k mass and hold at least k experts; at most L.
  @inline(__always)
  private func fewest(_ token: RoutingToken, _ rule: RoutingRule) -> Int {
    let scratch = token.scratch
    // Summed in the same order as below: with every device kept, both sums are the same number.
    var total = 0.0
    for slot in 0..<token.hit { total += scratch.mass[scratch.order[slot]] }
    var mass = 0.0
    var seats = 0
    for slot in 0..<min(token.hit, rule.limit) {
      let device = scratch.order[slot]
      mass += scratch.mass[device]
      seats += rule.offsets[device + 1] - rule.offsets[device]
      if mass >= (1 - epsilon) * total && seats >= rule.topK { return slot + 1 }
    }
    return min(token.hit, rule.limit)
  }
}
