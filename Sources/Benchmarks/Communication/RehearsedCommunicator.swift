internal import ExpertParallel
internal import Synchronization

/// Ranks that can repeat a run without the wire, to see how long everything else takes.
///
/// A run is recorded while it is live: what arrived is kept, but for rows. Rehearsed, it receives the same, and zeros
/// as rows; nothing is sent and nobody waits.
final class RehearsedCommunicator: Communicator {
  enum Mode: Equatable {
    /// Everything is passed on.
    case live
    /// The same, and what arrives is kept.
    case recording(Int)
    /// What was kept under that number arrives again.
    case rehearsing(Int)
  }

  private struct State {
    var mode = Mode.live
    /// What arrived in each exchange of a run: bytes of every rank, empty where they are rows.
    var runs: [Int: [[[UInt8]]]] = [:]
    var next = 0
  }

  let base: any Communicator
  private let state = Mutex(State())

  init(_ base: any Communicator) { self.base = base }

  var rank: Int { base.rank }
  var size: Int { base.size }
  var traffic: WireTraffic { base.traffic }

  /// Runs in a mode, then is live again.
  func run<Result>(_ mode: Mode, _ body: () throws -> Result) rethrows -> Result {
    state.withLock { state in
      (state.mode, state.next) = (mode, 0)
      if case .recording(let run) = mode { state.runs[run] = [] }
    }
    defer { state.withLock { $0.mode = .live } }
    return try body()
  }

  func exchange(
    _ outgoing: [UnsafeRawBufferPointer], into incoming: [UnsafeMutableRawBufferPointer], _ kind: WireTraffic.Kind
  ) -> any PendingExchange {
    let mode = state.withLock { $0.mode }
    guard case .rehearsing(let run) = mode else {
      let pending = base.exchange(outgoing, into: incoming, kind)
      guard case .recording(let run) = mode else { return pending }
      let index = state.withLock { state in
        state.runs[run, default: []].append([])
        return state.runs[run, default: []].count - 1
      }
      if kind.purpose == .rows { return pending }
      return Recorded(pending: pending) { [self] in
        let arrived = incoming.map { [UInt8]($0) }
        state.withLock { $0.runs[run]?[index] = arrived }
      }
    }
    let arrived = state.withLock { state in
      defer { state.next += 1 }
      return state.runs[run, default: []][state.next]
    }
    for (rank, room) in incoming.enumerated() {
      if rank == self.rank {
        if !room.isEmpty { room.copyMemory(from: outgoing[rank]) }
      } else if arrived.isEmpty {
        if !room.isEmpty { room.initializeMemory(as: UInt8.self, repeating: 0) }
      } else {
        room.copyBytes(from: arrived[rank])
      }
    }
    return Rehearsed()
  }

  func progress() { base.progress() }

  func hosts() -> [Int] { base.hosts() }

  func barrier() { base.barrier() }

  func finish() { base.finish() }

  private struct Rehearsed: PendingExchange {
    func wait() {}
  }

  private struct Recorded: PendingExchange {
    let pending: any PendingExchange
    let keep: () -> Void

    func wait() {
      pending.wait()
      keep()
    }
  }
}
