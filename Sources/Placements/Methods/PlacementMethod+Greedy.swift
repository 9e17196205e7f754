extension PlacementMethod {
  /// The paper's greedy, modelled on farthest-point sampling.
  ///
  /// 1. Device 0 starts with the pair of experts that collaborate most.
  /// 2. Every further device starts with the unplaced expert whose mean collaboration with *all* placed ones is
  ///    smallest.
  /// 3. Devices are filled one after the other, 0 first: the unplaced expert with the largest mean collaboration to the
  ///    device's experts joins until the device is full.
  ///
  /// The paper leaves open what we decide: devices are filled one by one (the literal reading of step 3; filling them
  /// turn by turn would leave the last device less of a remainder), after all seeds are set; ties go to the lower
  /// expert id. Where a device holds one expert, device 0 starts with the first of the pair. Counts are compared as
  /// integer sums, which order as the means do because the number of summands is the same, so no rounding decides.
  ///
  /// Nothing here looks at load: experts that work much also collaborate much and gather on device 0.
  ///
  /// - Parameters:
  ///   - coactivation: A, `[E, E]`.
  ///   - experts: E.
  ///   - devices: D, a divisor of E.
  /// - Returns: π, expert → device.
  /// - Source: Luo et al. 2025 (Occult), algorithm 1.
  public static func greedy(_ coactivation: [Int64], experts: Int, devices: Int) -> [Int] {
    precondition(
      coactivation.count == experts * experts && experts % devices == 0,
      "greedy: \(coactivation.count) counts for \(experts) experts on \(devices) devices")
    let room = experts / devices
    var placement = [Int](repeating: -1, count: experts)
    var counts = [Int](repeating: 0, count: devices)
    /// Σ of A between an expert and each device's experts.
    var affinity = [[Int64]](repeating: [Int64](repeating: 0, count: experts), count: devices)
    func put(_ expert: Int, on device: Int) {
      placement[expert] = device
      counts[device] += 1
      for other in 0..<experts { affinity[device][other] += coactivation[expert * experts + other] }
    }

    var pair = (0, min(1, experts - 1))
    for i in 0..<experts {
      for j in i + 1..<max(experts, i + 1)
      where coactivation[i * experts + j] > coactivation[pair.0 * experts + pair.1] { pair = (i, j) }
    }
    put(pair.0, on: 0)
    if room > 1 { put(pair.1, on: 0) }

    for device in 1..<max(devices, 1) {
      let free = (0..<experts).filter { placement[$0] < 0 }
      let sums = free.map { expert in affinity.reduce(Int64(0)) { $0 + $1[expert] } }
      guard let seed = free.indices.min(by: { sums[$0] < sums[$1] }) else { break }
      put(free[seed], on: device)
    }
    for device in 0..<devices {
      while counts[device] < room {
        let free = (0..<experts).filter { placement[$0] < 0 }
        // `min` with the order turned round: `max` would keep the last of equals.
        guard let next = free.min(by: { affinity[device][$0] > affinity[device][$1] }) else { break }
        put(next, on: device)
      }
    }
    return placement
  }
}
