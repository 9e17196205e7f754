extension RandomExpectation {
  /// E[min(C_T, L)] of a uniformly random k-subset of experts in equal groups: what a limit of L devices makes of
  /// chance.
  ///
  /// Ways to choose are counted device by device, `ways[hit][chosen]`; all terms are positive, so nothing cancels.
  ///
  /// - Parameters:
  ///   - experts: E, divisible by D.
  ///   - topK: k.
  ///   - devices: D.
  ///   - limit: L.
  /// - Returns: devices per token.
  public static func devicesPerToken(experts: Int, topK: Int, devices: Int, limit: Int) -> Double {
    precondition(
      devices > 0 && experts % devices == 0 && (0...experts).contains(topK),
      "RandomExpectation: \(topK) of \(experts) experts on \(devices) devices")
    let group = experts / devices
    var ways = [[Double]](repeating: [Double](repeating: 0, count: topK + 1), count: devices + 1)
    ways[0][0] = 1
    for _ in 0..<devices {
      var next = ways
      for hit in 0..<devices {
        for chosen in 0...topK where ways[hit][chosen] > 0 {
          for more in 1...max(1, min(group, topK - chosen)) where chosen + more <= topK {
            next[hit + 1][chosen + more] += ways[hit][chosen] * binomial(group, more)
          }
        }
      }
      ways = next
    }
    let all = ways.reduce(0) { $0 + $1[topK] }
    return ways.enumerated().reduce(0) { $0 + Double(min($1.offset, limit)) * $1.element[topK] } / all
  }

  private static func binomial(_ n: Int, _ k: Int) -> Double {
    (0..<k).reduce(1.0) { $0 * Double(n - $1) / Double($1 + 1) }
  }
}
