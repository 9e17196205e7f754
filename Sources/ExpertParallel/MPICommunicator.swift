internal import CMPI
internal import Foundation
internal import Synchronization

/// Ranks under `mpirun`, over whatever Open MPI finds between them.
///
/// Messages are point to point and not blocking; between two ranks they arrive in the order of the calls, so one tag
/// serves. Errors of MPI end all ranks (`MPI_ERRORS_ARE_FATAL`), with its own message.
public final class MPICommunicator: Communicator {
  /// This process.
  public let rank: Int
  /// Processes.
  public let size: Int
  /// Lowest rank on this host.
  private let leader: Int
  private let sent = Mutex(WireTraffic())
  private let left = Mutex(false)
  /// Held by the thread that calls MPI, where there may be several.
  private let calling = Mutex(())

  /// Largest single message: MPI counts bytes in 32 bits.
  private static let messageBytes = 1 << 30

  /// Whether this process was started by `mpirun` or another launcher that speaks PMIx.
  public static var isLaunched: Bool {
    let environment = ProcessInfo.processInfo.environment
    return environment["OMPI_COMM_WORLD_SIZE"] != nil || environment["PMIX_RANK"] != nil
  }

  /// Whether this process is the first of those that a launcher started, or the only one; known before they are joined.
  package static var isFirst: Bool {
    let environment = ProcessInfo.processInfo.environment
    return ["OMPI_COMM_WORLD_RANK", "PMIX_RANK"].allSatisfy { environment[$0] ?? "0" == "0" }
  }

  /// Joins the other ranks; once a process.
  ///
  /// - Throws: ``CommunicatorError/initialisation(code:)``.
  public init() throws(CommunicatorError) {
    let code = cmpi_init()
    guard code == 0 else { throw .initialisation(code: Int(code)) }
    (rank, size) = (Int(cmpi_rank()), Int(cmpi_size()))
    leader = Int(cmpi_host_leader())
  }

  /// Which ranks share memory.
  public func hosts() -> [Int] {
    exchange(Array(repeating: [leader], count: size), WireTraffic.Kind(purpose: .scalars)).map { $0[0] }
  }

  /// Bytes sent so far.
  public var traffic: WireTraffic { sent.withLock { $0 } }

  /// Starts an exchange.
  public func exchange(
    _ outgoing: [UnsafeRawBufferPointer], into incoming: [UnsafeMutableRawBufferPointer], _ kind: WireTraffic.Kind
  ) -> any PendingExchange {
    precondition(
      outgoing.count == size && incoming.count == size,
      "exchange: expected buffers for \(size) ranks, found \(outgoing.count) and \(incoming.count)")
    precondition(
      outgoing[rank].count == incoming[rank].count,
      "exchange: \(outgoing[rank].count) bytes for oneself, room for \(incoming[rank].count)")
    var requests: [MPI_Request?] = []
    // Neighbours first, in a ring, so that not everyone sends to rank 0 at once.
    for step in 1..<max(size, 1) {
      let (from, to) = ((rank + size - step) % size, (rank + step) % size)
      var offset = 0
      while offset < incoming[from].count {
        let count = min(Self.messageBytes, incoming[from].count - offset)
        var request: MPI_Request?
        cmpi_receive(incoming[from].baseAddress.map { $0 + offset }, Int32(count), Int32(from), 0, &request)
        requests.append(request)
        offset += count
      }
      offset = 0
      while offset < outgoing[to].count {
        let count = min(Self.messageBytes, outgoing[to].count - offset)
        var request: MPI_Request?
        cmpi_send(outgoing[to].baseAddress.map { $0 + offset }, Int32(count), Int32(to), 0, &request)
        requests.append(request)
        offset += count
      }
    }
    if !outgoing[rank].isEmpty { incoming[rank].copyMemory(from: outgoing[rank]) }
    let bytes = outgoing.indices.map { $0 == rank ? 0 : outgoing[$0].count }
    sent.withLock { $0.add(bytes, kind) }
    return Requests(requests)
  }

  /// Lets messages move on, unless another thread does so already.
  public func progress() { calling.withLockIfAvailable { _ in cmpi_progress() } }

  /// Returns once every rank has called it.
  public func barrier() { cmpi_barrier() }

  /// Leaves the others; nothing is exchanged afterwards.
  public func finish() {
    let isFirst = left.withLock { left in
      defer { left = true }
      return !left
    }
    if isFirst { cmpi_finalize() }
  }

  /// Ends all ranks at once, whatever they are doing.
  public func abort() { cmpi_abort(1) }

  private final class Requests: PendingExchange {
    private var requests: [MPI_Request?]
    private var isDone = false

    init(_ requests: [MPI_Request?]) { self.requests = requests }

    func wait() {
      if !isDone { cmpi_wait(Int32(requests.count), &requests) }
      isDone = true
    }
  }
}

/// Why ranks cannot work together.
public enum CommunicatorError: Error, Equatable, CustomStringConvertible {
  /// MPI did not start.
  case initialisation(code: Int)
  /// Ranks are devices, and there are more or fewer of them.
  case ranks(found: Int, devices: Int)

  /// The message for a person.
  public var description: String {
    switch self {
    case .initialisation(let code):
      "MPI: expected to start, found error \(code); try 'mpirun -n 2 hostname', which has to work first"
    case .ranks(let found, let devices):
      "mpirun: expected \(devices) ranks, one for each of routing.devices, found \(found); try mpirun -n \(devices), or "
        + "routing.devices=\(found)"
    }
  }
}
