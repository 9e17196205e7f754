/// `drop`, a control: the devices of `router`, and nothing in place of the lost experts.
struct DropPolicy: PruningPolicy {
  @inline(__always)
  func keepDevices(_ token: RoutingToken, _ rule: RoutingRule) -> Bool {
    token.keep(first: rule.limit)
    return true
  }

  @inline(__always)
  func useExperts(_ token: RoutingToken, _ rule: RoutingRule) -> Int { rule.useStaying(token) }
}
