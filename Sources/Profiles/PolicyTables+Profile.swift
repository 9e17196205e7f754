public import Routing

extension PolicyTables {
  /// The tables that a policy needs in one layer; empty where it needs none.
  ///
  /// - Parameters:
  ///   - profile: The layer's profile.
  ///   - policy: What reads them.
  ///   - options: Its settings.
  ///   - placement: π; `fewer_experts` matches its traffic.
  ///   - devices: D.
  /// - Throws: ``RoutingError`` when the profile lacks what the table is made from.
  public init(
    _ profile: LayerProfile, policy: RoutingPolicy, options: PolicyOptions, placement: [Int], devices: Int
  ) throws(RoutingError) {
    self.init()
    switch policy {
    case .none, .router, .mass, .bestMass, .adaptive, .groupLimited, .drop, .randomDevices: break
    case .similarity:
      let table = options.similarity == .cosine ? profile.cosineSimilarity : profile.centeredSimilarity
      guard let table else { throw .unprofiled(policy: policy, layer: profile.layer, missing: "router logits") }
      similarity = table
    case .outputSimilarity:
      guard let table = profile.outputSimilarity else {
        throw .unprofiled(policy: policy, layer: profile.layer, missing: "similarities of expert outputs")
      }
      similarity = table
    case .collaborationConstrained:
      guard profile.hasPairs else {
        throw .unprofiled(policy: policy, layer: profile.layer, missing: "counts of experts used together")
      }
      partners = profile.partners(options.partners(topK: profile.topK, experts: profile.experts))
    case .fewerExperts:
      guard profile.recorded > 0, !profile.weights.isEmpty else {
        throw .unprofiled(policy: policy, layer: profile.layer, missing: "recorded sets and their weights")
      }
      keptExperts = profile.keptExperts(placement: placement, devices: devices)
    }
  }
}

extension LayerProfile {
  /// Each expert's T partners by falling co-activation, ties to the lower id, `[E, T]`.
  ///
  /// - Parameter count: T, less than E.
  /// - Returns: Numbers of experts.
  public func partners(_ count: Int) -> [Int32] {
    (0..<experts).flatMap { expert -> [Int32] in
      let row = coactivation[expert * experts..<(expert + 1) * experts]
      let others = (0..<experts).filter { $0 != expert }
      return others.sorted { (-row[row.startIndex + $0], $0) < (-row[row.startIndex + $1], $1) }
        .prefix(count).map { Int32(truncatingIfNeeded: $0) }
    }
  }

  /// κ for each limit L, such that tokens with their best κ experts visit as many devices on average as under policy
  /// `router`.
  ///
  ///     E[C_T | top-κ] = E[min(C_T, L)]      over the recorded sets; linear between whole κ
  ///
  /// - Parameters:
  ///   - placement: π.
  ///   - devices: D.
  /// - Returns: κ in 1...k for L = 1...D.
  public func keptExperts(placement: [Int], devices: Int) -> [Double] {
    // Devices of the best 1, 2, … experts, summed over tokens.
    var visited = [Int](repeating: 0, count: topK)
    var limited = [Int](repeating: 0, count: devices)
    var last = [Int](repeating: -1, count: devices)
    for token in 0..<recorded {
      let row = token * topK
      let order = (row..<row + topK).sorted { (weights[$0], sets[$1]) > (weights[$1], sets[$0]) }
      var hit = 0
      for (rank, slot) in order.enumerated() {
        let device = placement[Int(sets[slot])]
        if last[device] != token { hit += 1 }
        last[device] = token
        visited[rank] += hit
      }
      for limit in 0..<devices { limited[limit] += min(hit, limit + 1) }
    }
    return limited.map { sum in
      // The first expert visits one device, so the first sum is the least that any limit leaves.
      guard let rank = visited.lastIndex(where: { $0 <= sum }), rank + 1 < topK else { return Double(topK) }
      return Double(rank + 1) + Double(sum - visited[rank]) / Double(visited[rank + 1] - visited[rank])
    }
  }
}
