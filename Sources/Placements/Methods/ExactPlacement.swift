public import Profiles

/// The placement of least Σ C_T, by branch and bound: for few experts, as the yardstick of the other methods.
public enum ExactPlacement {
  /// Most experts for which the search is offered.
  public static let mostExperts = 16

  /// Finds it.
  ///
  /// Experts are placed one by one, those with most load first; devices without experts are alike, so only the first of
  /// them is tried. C_T over the experts placed so far never falls when more are placed, which bounds a branch.
  ///
  /// - Parameters:
  ///   - profile: a layer with recorded sets and at most `mostExperts` experts.
  ///   - devices: D, a divisor of E.
  ///   - loadCap: most max/mean load; `nil` for none.
  /// - Returns: π, expert → device, and E[C_T]; `nil` if no placement meets the cap.
  public static func place(
    _ profile: LayerProfile, devices: Int, loadCap: Double?
  ) -> (placement: [Int], devicesPerToken: Double)? {
    precondition(
      profile.experts <= mostExperts && profile.experts % devices == 0 && profile.recorded > 0,
      "ExactPlacement: \(profile.experts) experts on \(devices) devices, \(profile.recorded) recorded sets")
    let sets = DistinctSets(experts: profile.experts, topK: profile.topK, sets: profile.sets)
    let mean = Double(profile.load.reduce(0, +)) / Double(devices)
    var search = Branches(
      sets, load: profile.load, devices: devices, cap: loadCap.map { Int64(($0 * mean).rounded(.down)) } ?? .max)
    search.branch(0, devicesUsed: 0, rows: 0)
    guard !search.best.isEmpty else { return nil }
    return (search.best, Double(search.bestRows) / Double(sets.total))
  }

  private struct Branches {
    let order: [Int]
    let rowsOf: [[Int]]
    let weights: [Int]
    let load: [Int64]
    let devices: Int
    let room: Int
    let cap: Int64
    /// [rows, devices]: experts of a set on a device, of those placed so far.
    var counts: [UInt8]
    var placement: [Int]
    var held: [Int]
    var loads: [Int64]
    var best: [Int] = []
    var bestRows = Int.max

    init(_ sets: DistinctSets, load: [Int64], devices: Int, cap: Int64) {
      var rowsOf = [[Int]](repeating: [], count: sets.experts)
      for (slot, expert) in sets.sets.enumerated() { rowsOf[Int(expert)].append(slot / sets.topK) }
      self.rowsOf = rowsOf
      self.load = load
      self.devices = devices
      self.cap = cap
      order = load.indices.sorted { (load[$1], $0) < (load[$0], $1) }
      weights = sets.weights.map(Int.init)
      room = sets.experts / devices
      counts = [UInt8](repeating: 0, count: sets.rows * devices)
      placement = [Int](repeating: -1, count: sets.experts)
      held = [Int](repeating: 0, count: devices)
      loads = [Int64](repeating: 0, count: devices)
    }

    mutating func branch(_ depth: Int, devicesUsed: Int, rows: Int) {
      if rows >= bestRows { return }
      guard depth < order.count else {
        (best, bestRows) = (placement, rows)
        return
      }
      let expert = order[depth]
      for device in 0..<min(devicesUsed + 1, devices) {
        if held[device] == room || loads[device] + load[expert] > cap { continue }
        var more = 0
        for row in rowsOf[expert] {
          if counts[row * devices + device] == 0 { more += weights[row] }
          counts[row * devices + device] += 1
        }
        placement[expert] = device
        held[device] += 1
        loads[device] += load[expert]
        branch(depth + 1, devicesUsed: max(devicesUsed, device + 1), rows: rows + more)
        held[device] -= 1
        loads[device] -= load[expert]
        for row in rowsOf[expert] { counts[row * devices + device] -= 1 }
      }
    }
  }
}
