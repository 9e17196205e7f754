/// `router`, the paper's first rule: walk S by falling p until L devices are found.
///
/// - Source: Luo et al. 2025, Occult, router-based pruning.
struct WalkPolicy: PruningPolicy {
  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    token.keep(first: rule.limit)
    return true
  }
}
