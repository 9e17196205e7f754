import Foundation
import Synchronization
import Testing

@testable import Tensors

/// The same bits for any number of threads: a computation inside a task of the team runs on one thread, since the team
/// is busy, and must agree with the one that had all threads.
@Suite struct DeterminismTests {
  /// Compares value and gradients of `f` computed on all threads, on one, and again on all.
  static func expectSameBits(
    _ inputs: [Tensor], sourceLocation: SourceLocation = #_sourceLocation, _ f: @Sendable ([Tensor]) -> Tensor
  ) {
    @Sendable func run() -> [Data] {
      let leaves = inputs.map { $0.tracked() }
      let y = f(leaves)
      let gradients = (y * y).sum().gradients()
      return [bits(y)] + leaves.map { bits(gradients[$0]) }
    }
    let parallel = run()
    #expect(parallel.allSatisfy { !$0.isEmpty }, "a result is missing", sourceLocation: sourceLocation)
    let results = Mutex([[Data]]())
    Parallel.run(2) { _ in
      let serial = run()
      results.withLock { $0.append(serial) }
    }
    let serial = results.withLock { $0 }
    #expect(serial == [parallel, parallel], "on one thread", sourceLocation: sourceLocation)
    #expect(run() == parallel, "a second time", sourceLocation: sourceLocation)
  }

  @Test func products() {
    Self.expectSameBits([.random([515, 130], seed: 1), .random([258, 130], seed: 2)]) { $0[0].matMulTransposed($0[1]) }
    Self.expectSameBits([.random([7, 130], seed: 3), .random([130, 600], seed: 4)]) { $0[0].matMul($0[1]) }
    Self.expectSameBits([.random([2, 600], seed: 5), .random([300, 600], seed: 6)]) { $0[0].matMulTransposed($0[1]) }
  }

  @Test func attention() {
    Self.expectSameBits([.random([300, 32], seed: 7), .random([300, 16], seed: 8), .random([300, 16], seed: 9)]) {
      $0[0].causalAttention(
        keys: $0[1], values: $0[2], heads: 4, kvHeads: 2, segments: [0..<150, 150..<151, 151..<300])
    }
  }

  @Test func experts() {
    let chosen = (0..<800).map { Int32($0 * $0 % 8) }
    let assignment = ExpertAssignment(chosen, k: 2, experts: 8)
    let inputs: [Tensor] = [
      .random([400, 24], seed: 10), .random([400, 2], seed: 11), .random([8, 40, 24], seed: 12),
      .random([8, 24, 20], seed: 13),
    ]
    Self.expectSameBits(inputs) { $0[0].experts(assignment, weights: $0[1], gateUp: $0[2], down: $0[3]) }
  }

  @Test func crossEntropy() {
    let targets = (0..<500).map { Int32($0 % 101) }
    Self.expectSameBits([.random([500, 40], seed: 14), .random([101, 40], seed: 15)]) {
      $0[0].crossEntropy(projectedBy: $0[1], targets: targets).sum
    }
  }

  @Test func rowsAndReductions() {
    Self.expectSameBits([.random([700, 200], seed: 16), .random([200], seed: 17)]) {
      ($0[0].rmsNorm($0[1], epsilon: 1e-5).softmax() * $0[0].silu()).columnMeans()
    }
    let ids = (0..<700).map { Int32(($0 * 13) % 50) }
    Self.expectSameBits([.random([50, 200], seed: 18)]) { $0[0].gatherRows(ids).silu().logSumExp() }
    Self.expectSameBits([.random([123_457], seed: 19)]) { $0[0].sum() }
  }
}
