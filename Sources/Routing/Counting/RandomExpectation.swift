/// What pure chance costs: the yardstick beside every measured C_T.
public enum RandomExpectation {
  /// E[C_T] of a uniformly random k-subset of experts in equal groups.
  ///
  ///     E[C_T] = D·(1 − C(E−m, k) / C(E, k)),   m = E/D
  ///
  /// - Parameters:
  ///   - experts: E, divisible by D.
  ///   - topK: k.
  ///   - devices: D.
  /// - Returns: devices per token; 3.659 for 64 experts, k = 8, 4 devices.
  public static func devicesPerToken(experts: Int, topK: Int, devices: Int) -> Double {
    precondition(
      devices > 0 && experts % devices == 0,
      "RandomExpectation: \(experts) experts do not divide among \(devices) devices; give the group sizes")
    return devicesPerToken(groupSizes: [Int](repeating: experts / devices, count: devices), topK: topK)
  }

  /// The same for groups of any size.
  ///
  ///     E[C_T] = Σ_d (1 − C(E−m_d, k) / C(E, k))
  ///
  /// - Parameters:
  ///   - groupSizes: m_d, experts of each device.
  ///   - topK: k.
  /// - Returns: devices per token.
  public static func devicesPerToken(groupSizes: [Int], topK: Int) -> Double {
    let experts = groupSizes.reduce(0, +)
    precondition((0...experts).contains(topK), "RandomExpectation: top_k \(topK) of \(experts) experts")
    return groupSizes.reduce(0.0) { sum, size in
      // Chance that all k draws miss the group, factor by factor: no factorial overflows.
      let miss = (0..<topK).reduce(1.0) { $0 * max(0, Double(experts - size - $1)) / Double(experts - $1) }
      return sum + 1 - miss
    }
  }
}
