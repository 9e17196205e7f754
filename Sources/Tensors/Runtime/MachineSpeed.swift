public import Host
internal import Foundation

/// How fast this machine multiplies matrices and moves memory, measured in about a second.
public struct MachineSpeed: Sendable, Equatable, Encodable {
  /// Billions of floating-point operations a second in a float32 product, on one thread.
  public let gemmOneThread: Double
  /// The same on all threads.
  public let gemmAllThreads: Double
  /// Billions of bytes a second in a = b + s·c, on one thread; 12 bytes an element, as in STREAM.
  public let bandwidthOneThread: Double
  /// The same on all threads.
  public let bandwidthAllThreads: Double
  /// Products on all threads by the processors' time, which others do not lengthen: about what an idle machine reaches.
  public let gemmIdle: Double
  /// What else the machine did meanwhile.
  public let load: MachineLoad

  private enum CodingKeys: String, CodingKey {
    case gemmOneThread = "gemm_gflops_one_thread"
    case gemmAllThreads = "gemm_gflops_all_threads"
    case bandwidthOneThread = "memory_gb_per_second_one_thread"
    case bandwidthAllThreads = "memory_gb_per_second_all_threads"
    case gemmIdle = "gemm_gflops_by_processor_time"
    case load
  }

  /// What makes these figures lower than they would be; nil on an idle machine.
  public var warning: String? {
    guard load.isBusy else { return nil }
    return "\(load.words); measured \(Int(gemmAllThreads)) of about \(Int(max(gemmIdle, gemmAllThreads))) GFLOP/s"
  }

  /// Measures; the best of several short repetitions counts, since whatever else runs only slows it down.
  public static func measure() -> MachineSpeed {
    let (figures, load) = MachineLoad.during { Figures() }
    return MachineSpeed(
      gemmOneThread: figures.work / figures.one.wall / 1e9, gemmAllThreads: figures.work / figures.all.wall / 1e9,
      bandwidthOneThread: figures.bytes / figures.serial / 1e9,
      bandwidthAllThreads: figures.bytes / figures.parallel / 1e9,
      gemmIdle: figures.work / figures.one.processor / 1e9 * Double(Parallel.threads), load: load)
  }

  /// Seconds of the measurements, of `work` operations or `bytes` each.
  private struct Figures {
    let (work, bytes): (Double, Double)
    let (one, all): ((wall: Double, processor: Double), (wall: Double, processor: Double))
    let (serial, parallel): (Double, Double)

    init() {
      let n = 768
      let (a, b, c) = (Storage.zeros(n * n), Storage.zeros(n * n), Storage.zeros(n * n))
      let views = (MatrixView(a.floats, stride: n), MatrixView(b.floats, stride: n))
      one = best { Kernels.gemmSerial(views.0, views.1, c.floats, stride: n, m: n, n: n, k: n) }
      all = best { Kernels.gemm(views.0, views.1, c.floats, stride: n, m: n, n: n, k: n) }
      withExtendedLifetime((a, b, c)) {}
      // Arrays larger than the caches of these machines, all together a quarter of the memory that there is at most.
      let count = min(16 << 20, max(1 << 16, Memory.limits.least.bytes / 48))
      let (x, y, z) = (Storage.zeros(count), Storage.zeros(count), Storage.zeros(count))
      let (source, other, target) = (x.floats, y.floats, z.floats)
      serial = best { triad(source, other, target, count) }.wall
      parallel =
        best {
          Parallel.blocks(count, grain: 1 << 18) {
            triad(source + $0.lowerBound, other + $0.lowerBound, target + $0.lowerBound, $0.count)
          }
        }.wall
      withExtendedLifetime((x, y, z)) {}
      (work, bytes) = (2 * Double(n * n * n), 12 * Double(count))
    }
  }

  @inline(never)
  private static func triad(
    _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>, _ a: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    for index in 0..<count { a[index] = b[index] + 3 * c[index] }
  }

  /// Seconds of the fastest run in a quarter of a second, of three at least: as they pass, and as the calling thread
  /// worked.
  private static func best(_ body: () -> Void) -> (wall: Double, processor: Double) {
    body()
    var (wall, processor, runs) = (Double.infinity, Double.infinity, 0)
    let begun = ProcessorTime.wall
    while runs < 3 || ProcessorTime.wall - begun < 0.25 {
      let start = (ProcessorTime.wall, ProcessorTime.thread)
      body()
      wall = min(wall, ProcessorTime.wall - start.0)
      processor = min(processor, ProcessorTime.thread - start.1)
      runs += 1
    }
    return (wall, processor)
  }
}
