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

  private enum CodingKeys: String, CodingKey {
    case gemmOneThread = "gemm_gflops_one_thread"
    case gemmAllThreads = "gemm_gflops_all_threads"
    case bandwidthOneThread = "memory_gb_per_second_one_thread"
    case bandwidthAllThreads = "memory_gb_per_second_all_threads"
  }

  /// Measures; the best of several repetitions counts, since whatever else runs only slows it down.
  public static func measure() -> MachineSpeed {
    let (n, work) = (768, 2.0 * 768 * 768 * 768)
    let (a, b, c) = (Storage.zeros(n * n), Storage.zeros(n * n), Storage.zeros(n * n))
    let views = (MatrixView(a.floats, stride: n), MatrixView(b.floats, stride: n))
    let one = best { Kernels.gemmSerial(views.0, views.1, c.floats, stride: n, m: n, n: n, k: n) }
    let all = best { Kernels.gemm(views.0, views.1, c.floats, stride: n, m: n, n: n, k: n) }
    withExtendedLifetime((a, b, c)) {}
    // Arrays larger than the caches of these machines.
    let count = 16 << 20
    let (x, y, z) = (Storage.zeros(count), Storage.zeros(count), Storage.zeros(count))
    let (source, other, target) = (x.floats, y.floats, z.floats)
    let serial = best { triad(source, other, target, count) }
    let parallel = best {
      Parallel.blocks(count, grain: 1 << 18) {
        triad(source + $0.lowerBound, other + $0.lowerBound, target + $0.lowerBound, $0.count)
      }
    }
    withExtendedLifetime((x, y, z)) {}
    let bytes = 12.0 * Double(count)
    return MachineSpeed(
      gemmOneThread: work / one / 1e9, gemmAllThreads: work / all / 1e9, bandwidthOneThread: bytes / serial / 1e9,
      bandwidthAllThreads: bytes / parallel / 1e9)
  }

  @inline(never)
  private static func triad(
    _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>, _ a: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    for index in 0..<count { a[index] = b[index] + 3 * c[index] }
  }

  /// Seconds of the fastest run in a quarter of a second, of three at least.
  private static func best(_ body: () -> Void) -> Double {
    body()
    var (fastest, runs) = (Double.infinity, 0)
    let begun = ProcessInfo.processInfo.systemUptime
    while runs < 3 || ProcessInfo.processInfo.systemUptime - begun < 0.25 {
      let start = ProcessInfo.processInfo.systemUptime
      body()
      fastest = min(fastest, ProcessInfo.processInfo.systemUptime - start)
      runs += 1
    }
    return fastest
  }
}
