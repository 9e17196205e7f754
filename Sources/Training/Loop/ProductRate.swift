internal import Tensors

/// How fast this machine multiplies matrices of an expert's size.
public enum ProductRate {
  /// Share of the rate of bare products that a training step is taken to reach, the rest going to attention, norms,
  /// routing and memory traffic: measured 0.75 to 0.87 for the quickstart, 0.9 for adapters of OLMoE-1B-7B.
  public static let efficiency = 0.8

  /// Times products `[rows, inner] · [outer, inner]ᵀ`, all threads at once.
  ///
  /// - Parameters:
  ///   - rows: Tokens an expert gets.
  ///   - inner: H.
  ///   - outer: 2 I.
  ///   - seconds: Shortest time to measure for.
  /// - Returns: Floating-point operations a second.
  public static func measured(rows: Int, inner: Int, outer: Int, seconds: Double = 0.5) -> Double {
    let (rows, tasks) = (max(1, min(rows, 1024)), Parallel.threads * 4)
    let x = Tensor.filled([rows, inner]) { $0.update(repeating: 0.5) }
    let weight = Tensor.filled([outer, inner]) { $0.update(repeating: 0.25) }
    // The best round: the first ones touch fresh memory, and whatever else runs only slows them down.
    let began = Clock.monotonic()
    var best = Double.infinity
    while Clock.monotonic() - began < seconds || best == .infinity {
      let start = Clock.monotonic()
      Parallel.run(tasks) { _ in _ = x.matMulTransposed(weight) }
      best = min(best, Clock.monotonic() - start)
    }
    return 2 * Double(rows * inner * outer * tasks) / best
  }
}
