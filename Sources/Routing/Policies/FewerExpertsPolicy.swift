internal import Formats

/// `fewer_experts`, a control: the best k′ of S, wherever they lie.
///
/// k′ is ⌊κ⌋, or one more with probability κ − ⌊κ⌋, drawn by token: its mean is κ, and so the mean traffic that of the
/// rule it is compared with. It bounds no token.
struct FewerExpertsPolicy: PruningPolicy {
  /// κ ≥ 1.
  let kept: Double
  let seed: UInt64

  init(kept: Double, seed: UInt64) { (self.kept, self.seed) = (kept, seed) }

  var looksAtEveryToken: Bool { true }

  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool { true }

  @inline(__always)
  func useExperts(_ token: RoutingToken, _ rule: RoutingRule) -> Int {
    var generator = SplitMix64(seed: seed, item: token.number)
    let whole = kept.rounded(.down)
    let count = min(rule.topK, Int(whole) + (generator.uniform() < kept - whole ? 1 : 0))
    for slot in 0..<count { rule.list(token.scratch.top[slot], at: slot, token.scratch) }
    return count
  }
}
