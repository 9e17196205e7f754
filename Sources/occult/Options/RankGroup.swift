import ArgumentParser
import ExpertParallel
import Foundation

/// The processes of one command: one, or those that `mpirun` started.
enum RankGroup {
  /// Joins the other ranks; one process where `mpirun` did not start this one.
  static func join() throws -> any Communicator {
    MPICommunicator.isLaunched ? try MPICommunicator() : SingleProcess()
  }
}

extension Communicator {
  /// Checks that ranks and devices are as many; one rank alone plays all devices.
  func check(devices: Int) throws {
    guard size == 1 || size == devices else { throw CommunicatorError.ranks(found: size, devices: devices) }
  }

  /// Warns where ranks of one node are on several hosts: copies inside it would cross between hosts.
  func check(nodes: Int, hosts: [Int]) {
    guard rank == 0, nodes > 1, Set(hosts).count > 1 else { return }
    let size = hosts.count / nodes
    let torn = (0..<nodes).filter { Set(hosts[$0 * size..<($0 + 1) * size]).count > 1 }
    guard let node = torn.first else { return }
    logger.warning(
      "parallel.nodes: expected the ranks of a node on one host, found those of node \(node) on several; try mpirun --map-by ppr:\(size):node"
    )
  }

  /// Runs a command to its end. What fails where ranks do not ask each other ends all of them; the lowest that failed
  /// says why.
  func session(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      guard let ranks = self as? MPICommunicator, size > 1, !(error is ExitCode) else {
        finish()
        throw error
      }
      // What failed on all of them is said by the first, which ends the others meanwhile.
      if rank > 0 { Thread.sleep(forTimeInterval: 1) }
      note("\(rank > 0 ? "rank \(rank): " : "")\(words(error))")
      ranks.abort()
    }
    finish()
  }

  /// Runs what may fail on every rank. Where it fails, the lowest rank that failed says why, and all end.
  func together<Result>(_ body: () throws -> Result) throws -> Result {
    let outcome = Swift.Result { try body() }
    if size == 1 { return try outcome.get() }
    var failed = [Int](repeating: 0, count: size)
    if case .failure = outcome { failed[rank] = 1 }
    guard let first = sum(failed).firstIndex(where: { $0 > 0 }) else { return try outcome.get() }
    if first == rank, case .failure(let error) = outcome {
      note("\(first > 0 ? "rank \(first): " : "")\(words(error))")
    }
    finish()
    throw ExitCode.failure
  }
}
