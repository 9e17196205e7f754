internal import Foundation

/// The clocks of metrics and progress, as functions so that tests give their own.
public enum Clock {
  /// Seconds since 1970.
  public static func wall() -> Double { Date().timeIntervalSince1970 }

  /// Seconds that never go back.
  public static func monotonic() -> Double { ProcessInfo.processInfo.systemUptime }
}
