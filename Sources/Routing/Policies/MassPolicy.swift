/// `mass`: the L devices with the largest Σ p over S.
struct MassPolicy: PruningPolicy {
  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    Self.sort(token, rule)
    token.keep(first: rule.limit)
    return true
  }

  /// Orders the devices hit by falling Σ p over the plain choice, ties to the lower device.
  @inline(__always)
  static func sort(_ token: RoutingToken, _ rule: RoutingRule) {
    let (scratch, hit) = (token.scratch, token.hit)
    for slot in 0..<hit { scratch.mass[scratch.order[slot]] = 0 }
    for slot in 0..<rule.topK {
      let expert = scratch.top[slot].index
      scratch.mass[rule.placement[expert]] += token.p[expert].summand
    }
    sort(scratch, hit)
  }

  /// Orders the first `count` devices of `scratch.order` by falling `scratch.mass`, ties to the lower device.
  @inline(__always)
  private static func sort(_ scratch: Scratch, _ count: Int) {
    for slot in 1..<max(count, 1) {
      let device = scratch.order[slot]
      let mass = scratch.mass[device]
      var place = slot
      while place > 0 {
        let before = scratch.order[place - 1]
        if scratch.mass[before] > mass || (scratch.mass[before] == mass && before < device) { break }
        scratch.order[place] = before
        place -= 1
      }
      scratch.order[place] = device
    }
  }
}

extension Float {
  /// A probability in a sum: NaN counts as nothing.
  @inline(__always)
  var summand: Double { isNaN ? 0 : Double(self) }
}
