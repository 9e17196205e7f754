public import Host
internal import Synchronization
internal import Tensors

/// How fast this machine multiplies matrices of an expert's size.
public enum ProductRate {
  /// Share of the rate of bare products that a training step is taken to reach, the rest going to attention, norms,
  /// routing and memory traffic: measured 0.75 to 0.87 for the quickstart, 0.9 for adapters of OLMoE-1B-7B.
  public static let efficiency = 0.8

  /// What a measurement found, in floating-point operations a second.
  public struct Measurement: Sendable {
    /// As they passed, in the best of several short rounds.
    public let measured: Double
    /// By the time that processors worked for it, which others do not lengthen.
    public let idle: Double
    /// What else the machine did meanwhile.
    public let load: MachineLoad

    /// A measurement; see the properties.
    public init(measured: Double, idle: Double, load: MachineLoad) {
      (self.measured, self.idle, self.load) = (measured, idle, load)
    }

    /// What to reckon with: on a busy machine what it would reach alone, since nobody knows how long it stays busy.
    public var rate: Double { load.isBusy ? max(measured, idle) : measured }

    /// What to say of a busy machine; nil where it was idle.
    public var warning: String? {
      guard load.isBusy else { return nil }
      return
        "\(load.words); measured \(Int(measured / 1e9)) of about \(Int(rate / 1e9)) GFLOP/s, with which the time is "
        + "reckoned"
    }
  }

  /// Times products `[rows, inner] · [outer, inner]ᵀ`, all threads at once.
  ///
  /// - Parameters:
  ///   - rows: Tokens an expert gets.
  ///   - inner: H.
  ///   - outer: 2 I.
  ///   - seconds: Shortest time to measure for.
  /// - Returns: The best round: the first ones touch fresh memory, and whatever else runs only slows them down.
  public static func measured(rows: Int, inner: Int, outer: Int, seconds: Double = 0.5) -> Measurement {
    let (rows, tasks) = (max(1, min(rows, 1024)), Parallel.threads * 4)
    let x = Tensor.filled([rows, inner]) { $0.update(repeating: 0.5) }
    let weight = Tensor.filled([outer, inner]) { $0.update(repeating: 0.25) }
    let (best, load) = MachineLoad.during {
      let began = Clock.monotonic()
      var (wall, worked) = (Double.infinity, Double.infinity)
      while Clock.monotonic() - began < seconds || wall == .infinity {
        let round = Mutex(0.0)
        let start = Clock.monotonic()
        Parallel.run(tasks) { _ in
          let begun = ProcessorTime.thread
          _ = x.matMulTransposed(weight)
          let taken = ProcessorTime.thread - begun
          round.withLock { $0 += taken }
        }
        wall = min(wall, Clock.monotonic() - start)
        worked = min(worked, round.withLock { $0 })
      }
      return (wall: wall, worked: worked)
    }
    let operations = 2 * Double(rows * inner * outer * tasks)
    return Measurement(
      measured: operations / best.wall, idle: operations / best.worked * Double(Parallel.threads), load: load)
  }
}
