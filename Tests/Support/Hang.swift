public import Foundation

/// Limits of time in tests: they end what hangs. How fast a machine is, or how much else it has to do, is not tested by
/// them.
public enum Hang {
  /// Longer than anything tested takes, also on a machine with many times more to do than processors.
  public static let minutes = 15
  /// The same.
  public static let seconds = 60 * minutes
  /// What `timeout` ends with where the limit was reached.
  public static let status: Int32 = 124

  /// Waits until something is so, while it may still become so.
  ///
  /// - Parameters:
  ///   - mayBecome: False where there is no more to wait for.
  ///   - isSo: What is waited for.
  /// - Returns: Whether it is so.
  @discardableResult
  public static func wait(while mayBecome: () -> Bool, until isSo: () -> Bool) -> Bool {
    let began = ContinuousClock.now
    while mayBecome(), ContinuousClock.now - began < .seconds(seconds) {
      if isSo() { return true }
      usleep(1000)
    }
    return isSo()
  }

  /// Several ranks of a program, under the limit.
  ///
  /// - Parameters:
  ///   - ranks: How many.
  ///   - program: The executable.
  ///   - arguments: Its arguments.
  /// - Returns: A process that is not started.
  public static func mpirun(_ ranks: Int, _ program: String, _ arguments: [String]) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // More ranks than processors give way to each other while they wait.
    process.arguments =
      [
        "timeout", "--kill-after", "10", "\(seconds)", "mpirun", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1",
        "-n", "\(ranks)", program,
      ] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OCCULT_THREADS": "1"]) { $1 }
    process.standardInput = FileHandle.nullDevice
    return process
  }
}
