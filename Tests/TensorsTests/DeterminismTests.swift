import Synchronization
import Testing

@testable import Tensors

/// The same bits for any number of threads: a computation inside a task of the team runs on one thread, since the team is
/// busy, and must agree with the one that had all threads.
@Suite struct DeterminismTests {
  /// Results and gradients of `f`.
  static func walk(_ inputs: [Tensor], _ f: ([Tensor]) -> Tensor) -> [[UInt32]] {
    let leaves = inputs.map { $0.tracked() }
    let y = f(leaves)
    let gradients = (y * Tensor.random(y.shape, seed: 77)).sum().gradients()
    return [bits(y)] + leaves.map { bits(gradients[$0]) }
  }

  static func expectSameBits(_ run: @Sendable () -> [[UInt32]], sourceLocation: SourceLocation = #_sourceLocation) {
    let parallel = run()
    #expect(parallel.allSatisfy { !$0.isEmpty }, "a result is missing", sourceLocation: sourceLocation)
    let results = Mutex([[[UInt32]]]())
    Parallel.run(2) { _ in
      let serial = run()
      results.withLock { $0.append(serial) }
    }
    let serial = results.withLock { $0 }
    #expect(serial == [parallel, parallel], "on one thread", sourceLocation: sourceLocation)
    #expect(run() == parallel, "a second time", sourceLocation: sourceLocation)
  }

  @Test func products() {
    Self.expectSameBits {
      Self.walk([.random([515, 130], seed: 1), .random([258, 130], seed: 2)]) { $0[0].matMulTransposed($0[1]) }
    }
    Self.expectSameBits {
      Self.walk([.random([7, 130], seed: 3), .random([130, 900], seed: 4)]) { $0[0].matMul($0[1]) }
    }
    Self.expectSameBits {
      Self.walk([.random([2, 600], seed: 5), .random([900, 600], seed: 6)]) { $0[0].matMulTransposed($0[1]) }
    }
  }

  @Test func attention() {
    Self.expectSameBits {
      Self.walk([.random([300, 32], seed: 7), .random([300, 16], seed: 8), .random([300, 16], seed: 9)]) {
        $0[0].causalAttention(
          keys: $0[1], values: $0[2], heads: 4, kvHeads: 2, segments: [0..<150, 150..<151, 151..<300])
      }
    }
  }

  @Test func experts() {
    let chosen = (0..<800).map { Int32($0 * $0 % 8) }
    let assignment = ExpertAssignment(chosen, k: 2, experts: 8)
    Self.expectSameBits {
      let inputs: [Tensor] = [
        .random([400, 24], seed: 10), .random([400, 2], seed: 11), .random([8, 40, 24], seed: 12),
        .random([8, 24, 20], seed: 13),
      ]
      return Self.walk(inputs) { $0[0].experts(assignment, weights: $0[1], gateUp: $0[2], down: $0[3]) }
    }
  }

  @Test func crossEntropy() {
    let targets = (0..<500).map { Int32($0 % 101) }
    Self.expectSameBits {
      Self.walk([.random([500, 40], seed: 14), .random([101, 40], seed: 15)]) {
        $0[0].crossEntropy(projectedBy: $0[1], targets: targets).sum
      }
    }
  }

  @Test func rowsAndReductions() {
    let ids = (0..<700).map { Int32(($0 * 13) % 50) }
    Self.expectSameBits {
      Self.walk([.random([700, 200], seed: 16), .random([200], seed: 17)]) {
        ($0[0].rmsNorm($0[1], epsilon: 1e-5).softmax() * $0[0].silu()).columnMeans()
      }
    }
    Self.expectSameBits {
      Self.walk([.random([50, 200], seed: 18)]) { $0[0].gatherRows(ids).swiGLU().logSumExp() }
    }
    Self.expectSameBits {
      let x = Tensor.random([123_457], seed: 19)
      return [bits(x.sum()), [UInt32(truncatingIfNeeded: x.sumOfSquares.bitPattern)]]
    }
  }
}
