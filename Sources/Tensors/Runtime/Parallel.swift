internal import Host
internal import Foundation
internal import Synchronization

/// A fixed team of threads that runs numbered tasks.
///
/// Tasks are handed out one by one, so the schedule depends on timing, but what a task computes must not: callers cut
/// work into blocks whose size does not depend on the number of threads, and every block writes its own part of the
/// result. A call from inside a task, or while another thread uses the team, runs its tasks in order on the calling
/// thread.
public enum Parallel {
  /// Number of threads, the calling one included. `OCCULT_THREADS` sets it; otherwise the processors this process may
  /// use, shared with other ranks on its host.
  public static var threads: Int { Team.shared.size }

  /// The same number, without starting them.
  static let wantedThreads: Int = {
    let environment = ProcessInfo.processInfo.environment
    let wanted = environment["OCCULT_THREADS"].flatMap(Int.init)
    // Ranks that mpirun started on this host share its processors.
    let neighbours = max(environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap(Int.init) ?? 1, 1)
    return min(max(wanted ?? ProcessInfo.processInfo.activeProcessorCount / neighbours, 1), 256)
  }()

  /// Runs `body(0), …, body(count - 1)`, each exactly once, and returns when all have ended.
  ///
  /// - Parameters:
  ///   - count: Number of tasks.
  ///   - body: One task; must touch nothing that another task writes.
  public static func run(_ count: Int, _ body: (Int) -> Void) {
    if count <= 1 || Team.shared.size == 1 || !Team.shared.run(count, body) {
      for index in 0..<max(count, 0) { body(index) }
    }
  }

  /// Cuts `0..<count` into blocks of about `grain` elements and runs `body` on each.
  ///
  /// - Parameters:
  ///   - count: Number of elements.
  ///   - grain: Elements in a block; never derived from the number of threads, so that results do not depend on it.
  ///   - body: Work on one range.
  public static func blocks(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let grain = max(grain, 1)
    run((count + grain - 1) / grain) { block in
      body(block * grain..<min((block + 1) * grain, count))
    }
  }
}

/// The threads behind ``Parallel``.
///
/// Unchecked: `job` is written by the thread that holds `busy` before `generation` is raised (release) and read by
/// workers after they saw it raised (acquire); everything else is atomic or guarded by `mutex`.
private final class Team: @unchecked Sendable {
  static let shared = Team()

  let size: Int
  private let busy = Atomic<Bool>(false)
  private let generation = Atomic<Int>(0)
  private let next = Atomic<Int>(0)
  private let finished = Atomic<Int>(0)
  private var job: (count: Int, body: (Int) -> Void)?
  private let sleepers = Atomic<Int>(0)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Rounds of waiting before a worker goes to sleep: about 50 µs, several times what separates two ops of a step.
  private static let patience = 4_000

  private init() {
    size = Parallel.wantedThreads
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, Self.stackBytes)
    for index in 1..<max(size, 1) {
      var thread = pthread_t()
      // The team lives as long as the process.
      let status = pthread_create(
        &thread, &attributes,
        { team in
          if let team { Unmanaged<Team>.fromOpaque(team).takeUnretainedValue().work() }
          return nil
        }, Unmanaged.passUnretained(self).toOpaque())
      if status != 0 { Self.end(started: index, of: size, status) }
    }
    pthread_attr_destroy(&attributes)
  }

  private static let stackBytes = 4 << 20

  /// Ends the process: a team that lacks a thread would wait for it.
  private static func end(started: Int, of size: Int, _ status: Int32) -> Never {
    // The system says EAGAIN for want of memory as well as of threads.
    if status == ENOMEM || !OutOfMemory.hasRoom(2 * stackBytes) { OutOfMemory.end(bytes: stackBytes) }
    let text =
      "threads: expected to start \(size), found '\(String(cString: strerror(status)))' after \(started); try fewer "
      + "(OCCULT_THREADS=\(started)), or a higher 'ulimit -u'\n"
    _ = Array(text.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(1)
  }

  /// Returns false, having done nothing, when the team is in use.
  func run(_ count: Int, _ body: (Int) -> Void) -> Bool {
    guard busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { return false }
    withoutActuallyEscaping(body) { body in
      job = (count, body)
      next.store(0, ordering: .relaxed)
      finished.store(0, ordering: .relaxed)
      generation.add(1, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(mutex)
      }
      drain(count, body)
      // Every worker reports once a generation, so that none still holds `body` when this returns.
      var rounds = 0
      while finished.load(ordering: .acquiring) < size - 1 { Team.pause(&rounds) }
      job = nil
    }
    busy.store(false, ordering: .releasing)
    return true
  }

  private func drain(_ count: Int, _ body: (Int) -> Void) {
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      if index >= count { return }
      body(index)
    }
  }

  /// The worker's share of the current job.
  ///
  /// Never inlined: its reference to `body` must be gone before `finished` is raised, or the caller, whose `body` lives
  /// on its stack, finds it escaped; the optimiser moves a release across atomics, but not out of a call.
  @inline(never)
  private func takePart() {
    if let job { drain(job.count, job.body) }
  }

  private func work() {
    Thread.current.name = "occult-worker"
    var seen = 0
    while true {
      var rounds = 0
      while generation.load(ordering: .acquiring) == seen {
        if rounds < Team.patience {
          Team.pause(&rounds)
          continue
        }
        pthread_mutex_lock(mutex)
        sleepers.add(1, ordering: .sequentiallyConsistent)
        while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wake, mutex) }
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
      }
      seen += 1
      takePart()
      finished.add(1, ordering: .releasing)
    }
  }

  /// Waits a little; after many rounds lets other processes run, since the machine may have fewer cores than threads.
  private static func pause(_ rounds: inout Int) {
    rounds += 1
    if rounds & 1023 == 0 { sched_yield() }
  }
}
