internal import Foundation
internal import Synchronization

/// How a process ends that runs out of memory: one line that says what was being done and what to try, and exit code 1.
///
/// Tensors ask for memory themselves and know when there is none. Arrays of Swift and the C libraries do not: they
/// trap, abort or follow a null pointer. ``install()`` catches those signals; where memory is short it says so,
/// otherwise the signal does what it did before, so that a bug of ours stays a crash.
package enum OutOfMemory {
  private static let isEnding = Atomic<Bool>(false)
  private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS]

  // Unsafe only in the compiler's eyes: all of these are written before a handler is installed, and only read by it.
  nonisolated(unsafe) private static let line = UnsafeMutablePointer<UInt8>.allocate(capacity: 1024)
  nonisolated(unsafe) private static let before = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
  nonisolated(unsafe) private static var advice = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  nonisolated(unsafe) private static var isTerminal = false

  /// Catches what ends a process whose memory is short, from now on. Once, from the main thread.
  ///
  /// The limit that it names is the one in force now.
  package static func install() {
    TemporaryNames.prepare()
    // Lazy values are made at their first use, which must not be in the handler.
    _ = (line, Activity.bytes, Activity.count.load(ordering: .relaxed), isEnding.load(ordering: .relaxed))
    isTerminal = isatty(STDERR_FILENO) == 1
    // A stack of its own: where the main thread's cannot grow, there is none left for the handler.
    let size = 64 << 10
    var stack = stack_t()
    stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    stack.ss_size = size
    sigaltstack(&stack, nil)
    for number in signals {
      var action = sigaction()
      action.__sigaction_handler.sa_sigaction = onFault
      action.sa_flags = SA_SIGINFO | SA_ONSTACK
      sigaction(number, &action, before + Int(number))
    }
    advise()
  }

  /// Makes the end of the line, which names the limit.
  private static func advise() {
    let limit = MemoryLimits.read(physical: Int(ProcessInfo.processInfo.physicalMemory)).least
    let text =
      "; the limit is that of \(limit.source.name); try more memory, a smaller batch, or fewer threads (OCCULT_THREADS)\n"
    let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
    _ = bytes.initialize(fromContentsOf: text.utf8)
    advice = UnsafeBufferPointer(bytes)
  }

  /// Ends the process for a request that the system refused.
  ///
  /// - Parameter bytes: How many were asked for.
  package static func end(bytes: Int) -> Never {
    say(bytes)
  }

  private typealias Handler =
    @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void

  private static let onFault: Handler = { number, info, _ in
    if errno == ENOMEM || !hasRoom(probe) { say(nil) }
    sigaction(number, before + Int(number), nil)
    // A fault comes again as soon as the handler returns; what was sent is sent once more.
    if (info?.pointee.si_code ?? 0) <= 0 { raise(number) }
  }

  /// Less than this is too little to go on with: the runtime takes memory in pieces of this order.
  private static let probe = 16 << 20

  /// Whether the system would give so many bytes of addresses and writable memory. May be called from a signal handler.
  package static func hasRoom(_ bytes: Int) -> Bool {
    guard let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      start != MAP_FAILED
    else {
      // Asking is no failure: what traps later must not be taken for one.
      errno = 0
      return false
    }
    munmap(start, bytes)
    return true
  }

  /// Prints the line and ends the process; may be called from a signal handler, so it takes no memory and no lock.
  private static func say(_ bytes: Int?) -> Never {
    // Another thread that fails meanwhile waits for the first to end both.
    if isEnding.exchange(true, ordering: .acquiringAndReleasing) { while true { pause() } }
    var length = 0
    if isTerminal { put("\n", &length) }
    put("memory: expected ", &length)
    if let bytes {
      put(bytes, &length)
      put(" bytes more for ", &length)
    } else {
      put("more for ", &length)
    }
    let count = Activity.count.load(ordering: .acquiring)
    for index in 0..<count { put(Activity.bytes[index], &length) }
    if count == 0 { put("this", &length) }
    put(", found none", &length)
    for index in 0..<advice.count { put(advice[index], &length) }
    if advice.isEmpty { put("; try more memory\n", &length) }
    _ = write(STDERR_FILENO, line, length)
    TemporaryNames.unlinkAll()
    _exit(1)
  }

  private static func put(_ byte: UInt8, _ length: inout Int) {
    if length < 1024 {
      line[length] = byte
      length += 1
    }
  }

  private static func put(_ text: StaticString, _ length: inout Int) {
    for index in 0..<text.utf8CodeUnitCount { put(text.utf8Start[index], &length) }
  }

  private static func put(_ number: Int, _ length: inout Int) {
    var unit = 1
    while number / unit >= 10 { unit *= 10 }
    while unit > 0 {
      put(UInt8(ascii: "0") + UInt8(number / unit % 10), &length)
      unit /= 10
    }
  }
}
