public import Host
internal import Foundation

/// Memory figures of this process.
public enum Memory {
  /// What this process may use, now: every limit that the system sets.
  ///
  /// OpenBLAS is opened first, since its buffers take addresses.
  public static var limits: MemoryLimits {
    _ = BLAS.shared
    return .read(physical: Int(ProcessInfo.processInfo.physicalMemory))
  }

  /// Highest resident set size so far, in bytes (`getrusage`).
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss * 1024
  }
}
