/// Some of the ranks of a communicator as a communicator of their own: its rank i is `members[i]`.
///
/// Only members take part in what it exchanges, so ranks of other subsets need not keep step.
struct SubsetCommunicator: Communicator {
  let rank: Int
  private let base: any Communicator
  private let members: [Int]

  /// - Parameters:
  ///   - base: All ranks, this one a member.
  ///   - members: Ranks of `base`, each once.
  init(_ base: any Communicator, _ members: [Int]) {
    guard let rank = members.firstIndex(of: base.rank) else {
      preconditionFailure("SubsetCommunicator: rank \(base.rank) is none of \(members)")
    }
    (self.base, self.members, self.rank) = (base, members, rank)
  }

  var size: Int { members.count }
  /// That of all ranks, by their numbers there.
  var traffic: WireTraffic { base.traffic }

  func exchange(
    _ outgoing: [UnsafeRawBufferPointer], into incoming: [UnsafeMutableRawBufferPointer], _ kind: WireTraffic.Kind
  ) -> any PendingExchange {
    var leaving = [UnsafeRawBufferPointer](repeating: .init(start: nil, count: 0), count: base.size)
    var arriving = [UnsafeMutableRawBufferPointer](repeating: .init(start: nil, count: 0), count: base.size)
    for (place, member) in members.enumerated() {
      (leaving[member], arriving[member]) = (outgoing[place], incoming[place])
    }
    return base.exchange(leaving, into: arriving, kind)
  }

  func progress() { base.progress() }

  func hosts() -> [Int] {
    // Lowest members rather than lowest ranks.
    let hosts = base.hosts()
    return members.map { member in members.firstIndex { hosts[$0] == hosts[member] } ?? 0 }
  }

  func barrier() { _ = sum([0]) }

  /// Nothing: the other ranks are still needed.
  func finish() {}
}
