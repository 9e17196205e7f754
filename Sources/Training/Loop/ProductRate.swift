internal import Tensors

/// How fast this machine multiplies matrices of an expert's size.
public enum ProductRate {
  /// Share of the rate of bare products that a training step is taken to reach, the rest going to attention, norms,
  /// routing and memory traffic: an assumption, on the safe side for the quickstart (36 s estimated, 27 s taken).
  public static let efficiency = 0.5

  /// Times products `[rows, inner] · [outer, inner]ᵀ`, all threads at once.
  ///
  /// - Parameters:
  ///   - rows: Tokens an expert gets.
  ///   - inner: H.
  ///   - outer: 2 I.
  ///   - seconds: Shortest time to measure for.
  /// - Returns: Floating-point operations a second.
  public static func measured(rows: Int, inner: Int, outer: Int, seconds: Double = 0.2) -> Double {
    let (rows, tasks) = (max(1, min(rows, 1024)), Parallel.threads * 4)
    let x = Tensor.filled([rows, inner]) { $0.update(repeating: 0.5) }
    let weight = Tensor.filled([outer, inner]) { $0.update(repeating: 0.25) }
    let began = Clock.monotonic()
    var rounds = 0
    while Clock.monotonic() - began < seconds {
      Parallel.run(tasks) { _ in _ = x.matMulTransposed(weight) }
      rounds += 1
    }
    return 2 * Double(rows * inner * outer * tasks * rounds) / (Clock.monotonic() - began)
  }
}
