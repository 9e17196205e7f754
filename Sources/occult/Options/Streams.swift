@preconcurrency import Foundation  // stdout is a variable of C's
import Synchronization
import Text

/// Standard output, whose errors `print` does not tell.
enum StandardOutput {
  /// What the system said when something was lost first; 0 for nothing.
  private static let failure = Atomic<Int32>(0)

  /// From now on the program does not end well if something that it printed was lost, as on a full disk.
  ///
  /// A reader that went away, as `head` does, ends the program by a signal; where that is ignored, as quietly with its
  /// status.
  static func checkAtExit() {
    atexit {
      errno = 0
      let isFlushed = fflush(stdout) == 0
      let earlier = StandardOutput.failure.load(ordering: .relaxed)
      let code = earlier == 0 ? errno : earlier
      if isFlushed, ferror(stdout) == 0 { return }
      if code == EPIPE { _exit(128 + SIGPIPE) }
      let reason = code == 0 ? "an error" : "'\(String(cString: strerror(code)))'"
      StandardError.write("standard output: expected to write all of it, found \(reason); try another place\n")
      _exit(EXIT_FAILURE)
    }
  }

  /// Bytes, now and in order with what is printed.
  static func write(_ bytes: [UInt8]) {
    errno = 0
    if fwrite(bytes, 1, bytes.count, stdout) < bytes.count || fflush(stdout) != 0 {
      _ = failure.compareExchange(expected: 0, desired: errno, ordering: .relaxed)
    }
  }
}

/// Standard error, where nothing can be said if it is gone.
enum StandardError {
  static func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}

/// What went wrong, in words: errors of ours are complete sentences, those of Foundation are put into one.
func words(_ error: any Error) -> String {
  guard let reason = SystemReason.words(error) else { return "\(error)" }
  return "\(SystemReason.path(error) ?? "a file"): expected to read or write it, found '\(reason)'; try another path"
}
