/// `group_limited`: the L devices of largest score, a device's score being the sum of its n largest p.
///
/// As in its sources every token is ranked so, also one whose choice lies on L devices already.
///
/// - Source: DeepSeek-AI 2024, DeepSeek-V2, section 2.2.2 (n = 1) and DeepSeek-V3, section 2.1.2 (n = k / L; 2 in its
///   model); `group_limited_topk` of Megatron-Core.
struct GroupLimitedPolicy: PruningPolicy {
  /// n, at most k.
  let count: Int

  init(_ score: GroupScore, topK: Int, limit: Int) {
    count =
      switch score {
      case .max: 1
      case .top2Sum: min(2, topK)
      case .topNSum: (topK + limit - 1) / limit
      }
  }

  var looksAtEveryToken: Bool { true }

  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    let scratch = token.scratch
    rule.listBest(count, token)
    for device in 0..<rule.devices {
      var sum = 0.0
      let list = scratch.lists + device * rule.topK
      for slot in 0..<scratch.lengths[device] { sum += token.p[list[slot].index].summand }
      scratch.mass[device] = sum
      scratch.kept[device] = false
    }
    for _ in 0..<rule.limit {
      var best = -1
      for device in 0..<rule.devices where !scratch.kept[device] {
        if best < 0 || isBetter(device, best, rule, scratch) { best = device }
      }
      scratch.kept[best] = true
    }
    return true
  }

  /// Ties go to the device with the better expert, by p and then by its number, as a walk over S would meet them.
  @inline(__always)
  private func isBetter(_ device: Int, _ other: Int, _ rule: RoutingRule, _ scratch: Scratch) -> Bool {
    let (mass, otherMass) = (scratch.mass[device], scratch.mass[other])
    if mass != otherMass { return mass > otherMass }
    func best(_ device: Int) -> UInt64 {
      scratch.lengths[device] == 0 ? 0 : scratch.lists[device * rule.topK].bits
    }
    return best(device) > best(other)
  }
}
