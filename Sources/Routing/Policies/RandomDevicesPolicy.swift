internal import Formats

/// `random_devices`, a control: L random devices of those that S hits, seeded by token.
struct RandomDevicesPolicy: PruningPolicy {
  let seed: UInt64

  /// Brings the drawn devices to the front: a partial shuffle of the ascending list.
  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    let (scratch, hit) = (token.scratch, token.hit)
    var slot = 0
    for device in 0..<rule.devices where scratch.kept[device] {
      scratch.order[slot] = device
      slot += 1
    }
    var generator = SplitMix64(seed: seed, item: token.number)
    for slot in 0..<rule.limit {
      let other = slot + generator.below(hit - slot)
      let device = scratch.order[slot]
      scratch.order[slot] = scratch.order[other]
      scratch.order[other] = device
    }
    token.keep(first: rule.limit)
    return true
  }
}
