internal import Foundation
internal import Synchronization

/// Ctrl-C and SIGTERM as a flag: the first asks the loop to finish its step, write a checkpoint and say how to resume;
/// the second ends the program at once with the shell's code, 130 or 143.
///
///     let stop = StopSignal.install()
///     defer { stop.uninstall() }
///     while step < steps, !stop.isRequested { … }
///
/// A signal handler may do hardly anything: ours writes the signal's number into a pipe, and a thread of its own reads it.
public final class StopSignal: Sendable {
  private let first = Atomic<Int32>(0)
  private let announce: @Sendable (String) -> Void
  private let exit: @Sendable (Int32) -> Void

  /// The end of the pipe that the handler writes to.
  ///
  /// Unsafe only in the compiler's eyes: it is set before the handler is installed and cleared after it is gone.
  nonisolated(unsafe) private static var pipeEnd: Int32 = -1

  /// - Parameters:
  ///   - announce: Receives a line for the user at the first signal.
  ///   - exit: Ends the program at the second.
  init(announce: @escaping @Sendable (String) -> Void, exit: @escaping @Sendable (Int32) -> Void) {
    self.announce = announce
    self.exit = exit
  }

  /// Catches SIGINT and SIGTERM from now on. One at a time, from the main thread.
  public static func install() -> StopSignal {
    precondition(pipeEnd == -1, "StopSignal.install: one is installed already")
    let stop = StopSignal(
      announce: { line in
        _ = Array((line + "\n").utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
      },
      exit: { _exit($0) })
    var ends: [Int32] = [-1, -1]
    let status = pipe(&ends)
    precondition(status == 0, "StopSignal.install: expected a pipe, found: \(String(cString: strerror(errno)))")
    // Programs that this one starts must not hold the pipe open.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let readEnd = ends[0]
    pipeEnd = ends[1]
    Thread.detachNewThread {
      var number: UInt8 = 0
      while read(readEnd, &number, 1) == 1 { stop.receive(Int32(number)) }
      close(readEnd)
    }
    for number in signals { signal(number, forward) }
    // A parent that starts programs from a worker thread of Dispatch hands down a mask that blocks every signal.
    var mask = sigset_t()
    sigemptyset(&mask)
    for number in signals { sigaddset(&mask, number) }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
    return stop
  }

  private static let signals = [SIGINT, SIGTERM]

  private static let forward: @convention(c) (Int32) -> Void = { number in
    // The interrupted code may be between a call and its look at errno.
    let saved = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(pipeEnd, &byte, 1)
    errno = saved
  }

  /// Gives both signals their default meaning again.
  public func uninstall() {
    guard Self.pipeEnd != -1 else { return }
    for number in Self.signals { signal(number, SIG_DFL) }
    close(Self.pipeEnd)
    Self.pipeEnd = -1
  }

  /// Whether the loop should stop after this step.
  public var isRequested: Bool { first.load(ordering: .acquiring) != 0 }

  /// The code to end with once the checkpoint is written: 130 after SIGINT, 143 after SIGTERM; `nil` before any.
  public var exitCode: Int32? {
    let number = first.load(ordering: .acquiring)
    return number == 0 ? nil : Self.code(number)
  }

  /// What a signal does.
  func receive(_ number: Int32) {
    let (isFirst, _) = first.compareExchange(expected: 0, desired: number, ordering: .acquiringAndReleasing)
    if isFirst {
      announce("\nstopping after this step, a checkpoint follows; once more stops at once without one")
    } else {
      exit(Self.code(number))
    }
  }

  /// Shells report 128 + the signal's number.
  private static func code(_ number: Int32) -> Int32 { 128 + number }
}
