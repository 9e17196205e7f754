internal import Dispatch
internal import Foundation
internal import Synchronization

/// Ctrl-C and SIGTERM as a flag: the first asks the loop to finish its step, write a checkpoint and say how to resume;
/// the second ends the program at once with the shell's code, 130 or 143.
///
///     let stop = StopSignal.install()
///     defer { stop.uninstall() }
///     while step < steps, !stop.isRequested { … }
public final class StopSignal: Sendable {
  private let first = Atomic<Int32>(0)
  private let announce: @Sendable (String) -> Void
  private let exit: @Sendable (Int32) -> Void
  private let sources = Mutex<[Source]>([])

  /// A source may be cancelled from any thread, which is all that is done with it; Dispatch does not say so to the compiler.
  private struct Source: @unchecked Sendable {
    let signal: any DispatchSourceSignal
  }

  /// - Parameters:
  ///   - announce: Receives a line for the user at the first signal.
  ///   - exit: Ends the program at the second.
  init(announce: @escaping @Sendable (String) -> Void, exit: @escaping @Sendable (Int32) -> Void) {
    self.announce = announce
    self.exit = exit
  }

  /// Catches SIGINT and SIGTERM from now on.
  ///
  /// The signals arrive on a queue of their own, not in a signal handler, where hardly anything is allowed.
  public static func install() -> StopSignal {
    let stop = StopSignal(
      announce: { line in
        _ = Array((line + "\n").utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
      },
      exit: { _exit($0) })
    let queue = DispatchQueue(label: "stop-signal")
    for number in [SIGINT, SIGTERM] {
      // The default action would end the program before the queue hears of it.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { stop.receive(number) }
      source.resume()
      let kept = Source(signal: source)
      stop.sources.withLock { $0.append(kept) }
    }
    return stop
  }

  /// Gives both signals their default meaning again.
  public func uninstall() {
    sources.withLock { sources in
      if sources.isEmpty { return }
      for source in sources { source.signal.cancel() }
      sources = []
      for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
    }
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
