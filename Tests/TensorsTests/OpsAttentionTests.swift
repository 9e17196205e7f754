import Foundation
import Testing

@testable import Tensors

@Suite struct OpsAttentionTests {
  struct Case: CustomTestStringConvertible {
    let heads: Int, kvHeads: Int, d: Int, segments: [Range<Int>]
    /// Width of values; d if nil.
    var v: Int?
    var scale: Float?
    var valueWidth: Int { v ?? d }
    var rows: Int { segments.reduce(0) { max($0, $1.upperBound) } }
    var testDescription: String { "\(heads)/\(kvHeads) heads of \(d) and \(valueWidth), \(segments)" }

    func inputs(seed: UInt64) -> [Tensor] {
      [heads * d, kvHeads * d, kvHeads * valueWidth].enumerated().map {
        Tensor.random([rows, $1], seed: seed + UInt64($0), in: -2...2)
      }
    }
    func attend(_ inputs: [Tensor]) -> Tensor {
      inputs[0].causalAttention(
        keys: inputs[1], values: inputs[2], heads: heads, kvHeads: kvHeads, segments: segments, scale: scale)
    }
    var outputShape: [Int] { [rows, heads * valueWidth] }
  }

  static let cases = [
    Case(heads: 1, kvHeads: 1, d: 4, segments: [0..<1]),
    Case(heads: 2, kvHeads: 2, d: 3, segments: [0..<5]),
    Case(heads: 4, kvHeads: 2, d: 4, segments: [0..<3, 3..<4, 4..<4, 4..<9]),
    Case(heads: 3, kvHeads: 1, d: 2, segments: [5..<7, 0..<5]),
    Case(heads: 1, kvHeads: 1, d: 4, segments: [0..<64, 64..<65]),
    Case(heads: 2, kvHeads: 1, d: 4, segments: [0..<65, 65..<215]),
    Case(heads: 1, kvHeads: 1, d: 8, segments: [0..<200]),
    Case(heads: 4, kvHeads: 2, d: 6, segments: [0..<3, 3..<70], v: 4, scale: 0.3),
    Case(heads: 2, kvHeads: 1, d: 3, segments: [0..<5, 5..<6], v: 7),
  ]

  /// Outputs, and gradients for the cotangent `dy`, of softmax attention row by row in double precision.
  static func reference(_ test: Case, _ inputs: [Tensor], dy: [Double]) -> [[Double]] {
    let (q, k, v) = (inputs[0].doubles, inputs[1].doubles, inputs[2].doubles)
    var (o, dq, dk, dv) = (dy.map { _ in 0.0 }, q.map { _ in 0.0 }, k.map { _ in 0.0 }, v.map { _ in 0.0 })
    let (d, e, scale) = (test.d, test.valueWidth, test.scale.map(Double.init) ?? 1 / Double(test.d).squareRoot())
    for segment in test.segments {
      for head in 0..<test.heads {
        let kv = head / (test.heads / test.kvHeads)
        for t in segment {
          let (query, out) = ((t * test.heads + head) * d, (t * test.heads + head) * e)
          let seen = segment.lowerBound..<t + 1
          func key(_ s: Int) -> Int { (s * test.kvHeads + kv) * d }
          func value(_ s: Int) -> Int { (s * test.kvHeads + kv) * e }
          let scores = seen.map { s in (0..<d).reduce(0.0) { $0 + q[query + $1] * k[key(s) + $1] } * scale }
          let p = OpsSoftmaxNormTests.softmax(scores[...]).probabilities
          let dp = seen.map { s in (0..<e).reduce(0.0) { $0 + dy[out + $1] * v[value(s) + $1] } }
          let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
          for (index, s) in seen.enumerated() {
            let ds = p[index] * (dp[index] - mean) * scale
            for j in 0..<e {
              o[out + j] += p[index] * v[value(s) + j]
              dv[value(s) + j] += p[index] * dy[out + j]
            }
            for j in 0..<d {
              dq[query + j] += ds * k[key(s) + j]
              dk[key(s) + j] += ds * q[query + j]
            }
          }
        }
      }
    }
    return [o, dq, dk, dv]
  }

  @Test(arguments: cases) func againstReference(_ test: Case) throws {
    let inputs = test.inputs(seed: 1)
    let dy = Tensor.random(test.outputShape, seed: 4)
    let expected = Self.reference(test, inputs, dy: dy.doubles)
    expectEqual(test.attend(inputs), expected[0], test.outputShape)
    let leaves = inputs.map { $0.tracked() }
    let gradients = (test.attend(leaves) * dy).sum().gradients()
    for (index, leaf) in leaves.enumerated() {
      expectEqual(try #require(gradients[leaf]), expected[index + 1], leaf.shape, rtol: 1e-4, atol: 2e-5)
    }
  }

  @Test(arguments: cases.prefix(4) + cases.suffix(2)) func gradients(_ test: Case) {
    expectGradients(of: { test.attend($0) }, at: test.inputs(seed: 5))
  }

  /// Segments in one call give the bits of separate calls.
  @Test func segmentsAreSeparateCalls() throws {
    let test = Case(heads: 2, kvHeads: 1, d: 4, segments: [0..<70, 70..<71, 71..<90])
    let leaves = test.inputs(seed: 9).map { $0.tracked() }
    let dy = Tensor.random(leaves[0].shape, seed: 12)
    let joint = test.attend(leaves)
    let gradients = (joint * dy).sum().gradients()
    for segment in test.segments {
      let rows = segment.map(Int32.init)
      let parts = leaves.map { $0.detached().gatherRows(rows).tracked() }
      let alone = Case(heads: 2, kvHeads: 1, d: 4, segments: [0..<segment.count])
      let result = alone.attend(parts)
      #expect(bits(result) == bits(joint.detached().gatherRows(rows)))
      let own = (result * dy.gatherRows(rows)).sum().gradients()
      for (leaf, part) in zip(leaves, parts) {
        #expect(bits(own[part]) == bits(try #require(gradients[leaf]).gatherRows(rows)))
      }
    }
  }

  /// Scores in the hundreds: exp must see differences only.
  @Test func largeScores() {
    let test = Case(heads: 1, kvHeads: 1, d: 4, segments: [0..<9])
    let inputs = test.inputs(seed: 13).map { $0 * 20 }
    let expected = Self.reference(test, inputs, dy: inputs[0].doubles)
    expectEqual(test.attend(inputs), expected[0], inputs[0].shape, rtol: 1e-3, atol: 1e-3)
  }

  @Test func segmentsThatDoNotCoverTrap() async {
    await #expect(processExitsWith: .failure) {
      let x = Tensor.zeros([4, 2])
      _ = x.causalAttention(keys: x, values: x, heads: 1, kvHeads: 1, segments: [0..<2, 0..<2])
    }
  }
}
