import Formats
import Profiles
import Routing
import ExpertParallel
import Foundation
import Testing

@testable import Benchmarks

struct CommunicationBenchmarkTests {
  // MARK: Line

  @Test func aLineIsFoundAndForetellsItsPoints() throws {
    let fit = try #require(LinearFit([1, 2, 4, 8], [5, 7, 11, 19]))
    #expect(abs(fit.intercept - 3) <= 1e-12 && abs(fit.slope - 2) <= 1e-12)
    #expect(fit.worst <= 1e-12)
  }

  /// By hand: the others say 0 for 1, 1.5 for 1, and 1 for 2.
  @Test func pointsAreForetoldByTheOthers() throws {
    let fit = try #require(LinearFit([0, 1, 2], [1, 1, 2]))
    #expect(zip(fit.leftOut, [-1, 0.5, -0.5]).allSatisfy { abs($0 - $1) <= 1e-12 })
    #expect(fit.worst == 1)
  }

  @Test func noLineWhereNoneIs() {
    #expect(LinearFit([1, 1, 1], [1, 2, 3]) == nil)
    #expect(LinearFit([1, 2], [1, 2]) == nil)
    #expect(LinearFit([1, 1, 2], [1, 2, 3]) == nil)  // Without the last point none.
  }

  @Test func whatIsNoNumberIsNoSmallError() throws {
    let fit = try #require(LinearFit([1, 2, 3, 4], [1, .nan, 3, 4]))
    #expect(!(fit.worst <= 1e9))
  }

  // MARK: Recorded choices

  static func profile(weights: Bool) -> LayerProfile {
    var random = SplitMix64(seed: 5)
    let layer = PlacementBenchmark.random(12, 3, groups: 3, &random)
    var accumulator = ProfileAccumulator(experts: 12, topK: 3, recordedLimit: 1000)
    let recorded = (0..<layer.sets.count).map { slot in weights ? Float([0.5, 0.2, 0.1][(slot + slot / 3) % 3]) : 1 }
    accumulator.add(
      layer: 0, topK: layer.sets, weights: weights ? recorded : [], documents: layer.documents)
    return accumulator.profile(modelType: nil, data: "").layers[0]
  }

  @Test(arguments: [true, false])
  func logitsLeadToTheRecordedSets(weights: Bool) throws {
    let profile = Self.profile(weights: weights)
    let logits = profile.logits(of: 20..<profile.recorded)
    let p = logits.map { exp($0) }
    let rule = try RoutingRule(
      experts: 12, topK: 3, placement: (0..<12).map { $0 / 4 }, devices: 3, policy: .none, deviceLimit: nil)
    let chosen = rule.route(p).chosen
    for token in 0..<profile.recorded - 20 {
      let set = profile.sets[(token + 20) * 3..<(token + 21) * 3]
      #expect(chosen[token * 3..<(token + 1) * 3].sorted() == Array(set))
      guard weights else { continue }
      for (expert, weight) in zip(set, profile.weights[(token + 20) * 3..<(token + 21) * 3]) {
        #expect(abs(p[token * 12 + Int(expert)] - weight) <= 1e-6)
      }
    }
    #expect(logits.allSatisfy { $0.isFinite })
  }

  // MARK: Rehearsal

  /// Rank 0 of two; the other sends 1, 2, 3, … whatever it gets.
  final class Counting: Communicator, @unchecked Sendable {  // One thread.
    let (rank, size) = (0, 2)
    var traffic = WireTraffic()
    var calls = 0

    struct Done: PendingExchange {
      func wait() {}
    }

    func exchange(
      _ outgoing: [UnsafeRawBufferPointer], into incoming: [UnsafeMutableRawBufferPointer], _ kind: WireTraffic.Kind
    ) -> any PendingExchange {
      calls += 1
      incoming[0].copyMemory(from: outgoing[0])
      for index in incoming[1].indices { incoming[1][index] = UInt8(calls) }
      return Done()
    }
    func progress() {}
    func hosts() -> [Int] { [0, 0] }
    func barrier() {}
    func finish() {}
  }

  @Test func aRehearsalReceivesTheSameAndSendsNothing() {
    let base = Counting()
    let ranks = RehearsedCommunicator(base)
    func talk() -> [[[UInt8]]] {
      [WireTraffic.Purpose.metadata, .rows, .scalars].map { purpose in
        ranks.exchange([[7, 7], [8, 8]] as [[UInt8]], WireTraffic.Kind(purpose: purpose))
      }
    }
    let recorded = ranks.run(.recording(3)) { talk() }
    #expect(recorded == [[[7, 7], [1, 1]], [[7, 7], [2, 2]], [[7, 7], [3, 3]]])
    for _ in 0..<2 {
      #expect(ranks.run(.rehearsing(3)) { talk() } == [[[7, 7], [1, 1]], [[7, 7], [0, 0]], [[7, 7], [3, 3]]])
    }
    #expect(base.calls == 3)
    #expect(ranks.run(.live) { talk() } == [[[7, 7], [4, 4]], [[7, 7], [5, 5]], [[7, 7], [6, 6]]])
  }
}
