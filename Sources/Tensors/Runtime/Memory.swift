internal import Foundation

/// Memory figures of this process.
public enum Memory {
  /// Bytes that tensors have taken from the system.
  public static var pooledBytes: Int { BlockPool.held }

  /// Highest resident set size so far, in bytes (`getrusage`).
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss * 1024
  }
}
