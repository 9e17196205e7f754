internal import Foundation

/// Memory figures of this process.
public enum Memory {
  /// Bytes that tensors have taken from the system.
  public static var pooledBytes: Int { BlockPool.shared.held }

  /// Bytes that this process may use: the machine's memory, or less where its control group has a limit.
  public static let limitBytes: Int = {
    let machine = Int(ProcessInfo.processInfo.physicalMemory)
    let group = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
    return min(machine, group.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? machine)
  }()

  /// Highest resident set size so far, in bytes (`getrusage`).
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss * 1024
  }
}
