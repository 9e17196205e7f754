/// How processes that train one model together exchange bytes. Ranks are devices: rank d holds the experts of device d.
///
/// Two implementations: ``SingleProcess``, and ``MPICommunicator`` under `mpirun`. Every method is collective: all
/// ranks call it in the same order. What is sent to oneself is copied and not counted.
public protocol Communicator: Sendable {
  /// This process, 0..<size.
  var rank: Int { get }
  /// Processes.
  var size: Int { get }
  /// Bytes sent so far.
  var traffic: WireTraffic { get }

  /// Starts sending `outgoing[d]` to every rank d and receiving `incoming[d]` from it. The memory on both sides stays
  /// in place until ``PendingExchange/wait()`` returned; sizes have to agree.
  ///
  /// - Parameters:
  ///   - outgoing: Bytes for each rank, `size` of them.
  ///   - incoming: Room for the bytes of each rank, `size` of them.
  ///   - kind: What it is for.
  /// - Returns: The exchange under way.
  func exchange(
    _ outgoing: [UnsafeRawBufferPointer], into incoming: [UnsafeMutableRawBufferPointer], _ kind: WireTraffic.Kind
  ) -> any PendingExchange

  /// Lets exchanges under way move on, for MPI sends only while it is called; at once, from any thread, at any time.
  func progress()

  /// For each rank, the lowest rank on its host: ranks with the same number share memory.
  func hosts() -> [Int]

  /// Returns once every rank has called it.
  func barrier()

  /// Leaves the others; nothing is exchanged afterwards.
  func finish()
}

/// An exchange under way.
public protocol PendingExchange {
  /// Returns once everything has arrived and everything sent may be overwritten.
  func wait()
}

extension Communicator {
  /// Exchanges numbers: `values[d]` goes to rank d.
  ///
  /// - Parameters:
  ///   - values: As many for each rank as for every other.
  ///   - kind: What they are for.
  /// - Returns: What each rank sent to this one.
  public func exchange<Number: BitwiseCopyable>(_ values: [[Number]], _ kind: WireTraffic.Kind) -> [[Number]] {
    precondition(values.count == size, "exchange: expected numbers for \(size) ranks, found \(values.count)")
    let outgoing = values.flatMap { $0 }
    let (count, stride) = (values[0].count, MemoryLayout<Number>.stride)
    precondition(outgoing.count == count * size, "exchange: expected as many numbers for every rank")
    let incoming = [Number](unsafeUninitializedCapacity: outgoing.count) { incoming, filled in
      outgoing.withUnsafeBytes { outgoing in
        let room = UnsafeMutableRawBufferPointer(incoming)
        exchange(
          (0..<size).map {
            UnsafeRawBufferPointer(rebasing: outgoing[$0 * count * stride..<($0 + 1) * count * stride])
          },
          into: (0..<size).map {
            UnsafeMutableRawBufferPointer(rebasing: room[$0 * count * stride..<($0 + 1) * count * stride])
          }, kind
        ).wait()
      }
      filled = outgoing.count
    }
    return (0..<size).map { Array(incoming[$0 * count..<($0 + 1) * count]) }
  }

  /// Σ over ranks, added in the order of ranks: every rank gets the same bits, every time.
  ///
  /// - Parameters:
  ///   - values: This rank's numbers.
  ///   - kind: What they are for.
  /// - Returns: The sums.
  public func sum<Number: Numeric & BitwiseCopyable>(
    _ values: [Number], _ kind: WireTraffic.Kind = .init(purpose: .scalars)
  ) -> [Number] {
    if size == 1 || values.isEmpty { return values }
    let all = exchange(Array(repeating: values, count: size), kind)
    return all.dropFirst().reduce(into: all[0]) { sums, next in
      for index in sums.indices { sums[index] += next[index] }
    }
  }
}

extension Communicator {
  /// Figures of all items of a list, of which rank r has those with (first + place) mod D = r.
  ///
  /// - Parameters:
  ///   - own: This rank's figures, in the order of their places.
  ///   - count: Items of the list.
  ///   - first: Number of the first item.
  /// - Returns: One figure an item, the same on all ranks.
  public func gather(_ own: [Double], of count: Int, first: Int = 0) -> [Double] {
    if size == 1 { return own }
    var (all, next) = ([Double](repeating: 0, count: count), 0)
    for place in 0..<count where (first + place) % size == rank {
      all[place] = own[next]
      next += 1
    }
    return sum(all)
  }
}

extension Communicator {
  /// One figure of every rank, on all of them.
  ///
  /// - Parameter own: This rank's.
  /// - Returns: By rank.
  public func figures(_ own: Int) -> [Int] {
    sum((0..<size).map { $0 == rank ? own : 0 })
  }

  /// The ranks on this host, rising; collective.
  public func ranksHere() -> [Int] {
    let hosts = hosts()
    return (0..<size).filter { hosts[$0] == hosts[rank] }
  }
}

/// One process: devices are virtual, nothing is sent.
public struct SingleProcess: Communicator {
  /// 0
  public var rank: Int { 0 }
  /// 1
  public var size: Int { 1 }
  /// Nothing.
  public var traffic: WireTraffic { WireTraffic() }

  /// The one process.
  public init() {}

  /// Copies what is sent to oneself.
  public func exchange(
    _ outgoing: [UnsafeRawBufferPointer], into incoming: [UnsafeMutableRawBufferPointer], _ kind: WireTraffic.Kind
  ) -> any PendingExchange {
    incoming[0].copyMemory(from: outgoing[0])
    return Done()
  }

  /// Nothing is under way.
  public func progress() {}

  /// The one process, on its host.
  public func hosts() -> [Int] { [0] }

  /// Nothing to wait for.
  public func barrier() {}

  /// Nothing to leave.
  public func finish() {}

  private struct Done: PendingExchange {
    func wait() {}
  }
}
