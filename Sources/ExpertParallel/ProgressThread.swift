internal import CMPI
internal import Foundation
internal import Synchronization

/// Moves exchanges on while this process computes: MPI sends and receives inside its own calls only, and a message of more than
/// one packet stands still between them.
///
/// The thread sleeps but for ``during(_:)``, in which it alone calls MPI: calls come from one thread at a time.
final class ProgressThread: Sendable {
  /// Between two calls, in microseconds: a link of 1 gbit moves 20 kB meanwhile, much less than sockets hold.
  private static let interval: UInt32 = 100

  private let isWanted = Mutex(false)
  private let wake = DispatchSemaphore(value: 0)

  init() {
    let thread = Thread { [self] in
      while true {
        wake.wait()
        while call() { usleep(Self.interval) }
      }
    }
    thread.name = "occult progress"
    thread.start()
  }

  /// Runs `body`, which must not call MPI, while what is under way moves on.
  func during<Result>(_ body: () -> Result) -> Result {
    isWanted.withLock { $0 = true }
    wake.signal()
    // Waits for a call that has begun.
    defer { isWanted.withLock { $0 = false } }
    return body()
  }

  /// Lets MPI make progress; false where nobody wants it.
  private func call() -> Bool {
    isWanted.withLock { isWanted in
      if isWanted { cmpi_progress() }
      return isWanted
    }
  }
}
