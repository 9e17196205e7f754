internal import Foundation

/// The clocks of metrics and progress, as functions so that tests give their own.
public enum Clock {
  /// Seconds since 1970.
  public static func wall() -> Double { Date().timeIntervalSince1970 }

  /// Seconds that never go back.
  public static func monotonic() -> Double { ProcessInfo.processInfo.systemUptime }

  /// Seconds of processor time of this process, all threads together.
  public static func processor() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
