internal import Foundation
internal import Synchronization

/// Ctrl-C and SIGTERM.
///
/// A signal ends the program at once, with its temporary files removed. While something runs that can save what it did,
/// the first is a request instead: the loop finishes its step, writes a checkpoint and says how to go on; the second
/// ends the program at once with the shell's code, 130 or 143.
///
///     StopSignal.install()
///     StopSignal.endsAtOnce = false
///     while step < steps, !StopSignal.isRequested { … }
///
/// All of it happens in the handler, which any thread may run, in the middle of anything: with every thread in a loop
/// of C, in a system call, or without a byte of memory left. So the handler takes no memory and no lock; what it prints
/// is there before.
public enum StopSignal {
  private static let first = Atomic<Int32>(0)
  private static let isDeferred = Atomic<Bool>(false)
  /// A C string that is printed where the first signal ends the program.
  private static let farewell = Atomic<UInt>(0)
  private static let signals = [SIGINT, SIGTERM]

  /// Catches SIGINT and SIGTERM from now on. From the main thread, before it starts others.
  public static func install() {
    TemporaryNames.prepare()
    // Lazy values of Swift are made under a lock: here, and not in the handler.
    _ = (first.load(ordering: .relaxed), isDeferred.load(ordering: .relaxed), farewell.load(ordering: .relaxed))
    for number in signals {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = handle
      // On the stack that `OutOfMemory.install` lays aside: where that of a thread cannot grow, the handler has none
      // left, and the system ends the process by SIGSEGV instead.
      action.sa_flags = SA_RESTART | SA_ONSTACK
      sigaction(number, &action, nil)
    }
    // A parent that starts programs from a worker thread of Dispatch hands down a mask that blocks every signal.
    unblock(signals)
  }

  /// Gives both signals their default meaning again.
  public static func uninstall() {
    for number in signals { signal(number, SIG_DFL) }
  }

  /// Whether the first signal ends the program; otherwise it is a request that somebody asks for.
  public static var endsAtOnce: Bool {
    get { !isDeferred.load(ordering: .acquiring) }
    set { isDeferred.store(!newValue, ordering: .releasing) }
  }

  /// Whether the loop should stop after this step.
  public static var isRequested: Bool { first.load(ordering: .acquiring) != 0 }

  /// The code to end with once the checkpoint is written: 130 after SIGINT, 143 after SIGTERM; `nil` before any.
  public static var exitCode: Int32? {
    let number = first.load(ordering: .acquiring)
    return number == 0 ? nil : 128 + number
  }

  /// Sets what is said where the first signal ends the program: how to go on.
  public static func onEnd(say text: String) {
    // The one before stays where it is: a handler may be about to print it.
    farewell.store(UInt(bitPattern: strdup("\n" + text + "\n")), ordering: .releasing)
  }

  private static let handle: @convention(c) (Int32) -> Void = { number in
    // The interrupted code may be between a call and its look at errno.
    let saved = errno
    let (isFirst, _) = first.compareExchange(expected: 0, desired: number, ordering: .acquiringAndReleasing)
    if isFirst, isDeferred.load(ordering: .acquiring) {
      let text: StaticString = "\nstopping after this step, a checkpoint follows; once more stops at once without one\n"
      _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
      errno = saved
      return
    }
    if isFirst, let text = UnsafePointer<CChar>(bitPattern: farewell.load(ordering: .acquiring)) {
      _ = write(STDERR_FILENO, text, strlen(text))
    }
    TemporaryNames.unlinkAll()
    // Shells report 128 + the signal's number.
    if !isFirst { _exit(128 + number) }
    // The parent learns which signal it was.
    signal(number, SIG_DFL)
    raise(number)
    var mask = sigset_t()
    sigemptyset(&mask)
    sigaddset(&mask, number)
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
  }

  private static func unblock(_ numbers: [Int32]) {
    var mask = sigset_t()
    sigemptyset(&mask)
    for number in numbers { sigaddset(&mask, number) }
    pthread_sigmask(SIG_UNBLOCK, &mask, nil)
  }
}
