import Foundation
import Testing

@testable import Tensors

@Suite struct OpsExpertsTests {
  struct Case: CustomTestStringConvertible {
    let tokens: Int, k: Int, experts: Int, h: Int, i: Int
    let chosen: [Int32]
    let testDescription: String

    init(_ name: String, tokens: Int, k: Int, experts: Int, h: Int, i: Int, _ choose: (Int, Int) -> Int) {
      (self.tokens, self.k, self.experts, self.h, self.i) = (tokens, k, experts, h, i)
      chosen = (0..<tokens * k).map { Int32(choose($0 / k, $0 % k)) }
      testDescription = name
    }
    var assignment: ExpertAssignment { ExpertAssignment(chosen, k: k, experts: experts) }
    /// x, gate weights, gate and up projection, down projection.
    var inputs: [Tensor] {
      [
        .random([tokens, h], seed: 1), .random([tokens, k], seed: 2), .random([experts, 2 * i, h], seed: 3),
        .random([experts, h, i], seed: 4),
      ]
    }
    func apply(_ inputs: [Tensor]) -> Tensor {
      inputs[0].experts(assignment, weights: inputs[1], gateUp: inputs[2], down: inputs[3])
    }
  }

  static let cases = [
    Case("one token, one expert", tokens: 1, k: 1, experts: 1, h: 3, i: 2) { _, _ in 0 },
    Case("an expert without tokens, one with one", tokens: 7, k: 2, experts: 4, h: 5, i: 3) { token, slot in
      slot == 0 ? 0 : (token == 3 ? 2 : 3)
    },
    Case("absent slots, a token without experts", tokens: 6, k: 3, experts: 3, h: 4, i: 5) { token, slot in
      token == 2 || (token + slot) % 3 == 1 ? -1 : (token * 2 + slot) % 3
    },
    Case("no slot at all", tokens: 2, k: 2, experts: 3, h: 4, i: 2) { _, _ in -1 },
    Case("more rows than a block holds", tokens: 600, k: 2, experts: 3, h: 6, i: 4) { token, slot in
      slot == 0 ? 1 : (token % 50 == 0 ? 2 : -1)
    },
  ]

  /// Output, and gradients for the cotangent `dy`, slot by slot in double precision.
  static func reference(_ test: Case, _ inputs: [Tensor], dy: [Double]) -> [[Double]] {
    reference(
      test, up: inputs[2].doubles, down: inputs[3].doubles, x: inputs[0].doubles, w: inputs[1].doubles, dy: dy)
  }

  /// The same for weights that are not float32.
  static func reference(
    _ test: Case, up: [Double], down: [Double], x: [Double], w: [Double], dy: [Double]
  ) -> [[Double]] {
    let (h, n) = (test.h, test.i)
    var y = x.map { _ in 0.0 }
    var (dx, dw, dUp, dDown) = (y, w.map { _ in 0.0 }, up.map { _ in 0.0 }, down.map { _ in 0.0 })
    for (slot, expert) in test.chosen.enumerated() where expert >= 0 {
      let (at, e) = (slot / test.k * h, Int(expert))
      let row = Array(x[at..<at + h])
      let outer = Array(dy[at..<at + h])
      let z = referenceProduct(
        row, Array(up[e * 2 * n * h..<(e + 1) * 2 * n * h]), m: 1, n: 2 * n, k: h, transposeB: true)
      for j in 0..<n {
        let s = 1 / (1 + exp(-z[j]))
        let act = z[j] * s * z[n + j]
        var dAct = 0.0
        for c in 0..<h {
          let entry = (e * h + c) * n + j
          y[at + c] += w[slot] * act * down[entry]
          dAct += outer[c] * down[entry]
          dDown[entry] += w[slot] * act * outer[c]
        }
        dw[slot] += dAct * act
        let dGate = w[slot] * dAct * z[n + j] * s * (1 + z[j] * (1 - s))
        let dOther = w[slot] * dAct * z[j] * s
        for c in 0..<h {
          let (gate, other) = ((e * 2 * n + j) * h + c, (e * 2 * n + n + j) * h + c)
          dx[at + c] += dGate * up[gate] + dOther * up[other]
          dUp[gate] += dGate * row[c]
          dUp[other] += dOther * row[c]
        }
      }
    }
    return [y, dx, dw, dUp, dDown]
  }

  @Test(arguments: cases) func againstReference(_ test: Case) throws {
    let inputs = test.inputs
    let dy = Tensor.random(inputs[0].shape, seed: 5)
    let expected = Self.reference(test, inputs, dy: dy.doubles)
    expectEqual(test.apply(inputs), expected[0], inputs[0].shape)
    let leaves = inputs.map { $0.tracked() }
    let gradients = (test.apply(leaves) * dy).sum().gradients()
    for (index, leaf) in leaves.enumerated() {
      expectEqual(try #require(gradients[leaf]), expected[index + 1], leaf.shape, atol: 2e-5)
    }
  }

  @Test(arguments: cases.prefix(4)) func finiteDifferences(_ test: Case) {
    expectGradients(of: test.apply, at: test.inputs)
  }

  /// Each gradient by itself is the one computed along with the others: what is not wanted is not needed.
  @Test func oneTrackedInputAtATime() throws {
    let test = Self.cases[1]
    let leaves = test.inputs.map { $0.tracked() }
    let all = test.apply(leaves).sum().gradients()
    for index in leaves.indices {
      var inputs = test.inputs
      inputs[index] = leaves[index]
      let alone = test.apply(inputs).sum().gradients()
      #expect(alone.count == 1)
      #expect(!bits(all[leaves[index]]).isEmpty && bits(alone[leaves[index]]) == bits(all[leaves[index]]))
    }
  }

  @Test(arguments: [cases[1], cases[4]]) func bfloat16Weights(_ test: Case) throws {
    var inputs = test.inputs
    for index in 2...3 { inputs[index] = inputs[index].stored(as: .bfloat16) }
    inputs[0] = inputs[0].tracked()
    let dy = Tensor.random(inputs[0].shape, seed: 6)
    let expected = Self.reference(test, inputs, dy: dy.doubles)
    let y = test.apply(inputs)
    expectEqual(y, expected[0], inputs[0].shape)
    expectEqual(try #require((y * dy).sum().gradients()[inputs[0]]), expected[1], inputs[0].shape, atol: 2e-5)
  }

  @Test func assignmentSortsByExpertThenToken() {
    let assignment = ExpertAssignment([1, -1, 0, 1, 1, 0], k: 2, experts: 3)
    #expect(assignment.offsets == [0, 2, 5, 5])
    #expect(assignment.slots == [2, 5, 0, 3, 4])
    #expect(assignment.rows == [2, -1, 0, 3, 4, 1])
    #expect(assignment.heaviestFirst == [1, 0, 2])
  }

  @Test func wrongAssignmentsTrap() async {
    await #expect(processExitsWith: .failure) { _ = ExpertAssignment([3], k: 1, experts: 3) }
    await #expect(processExitsWith: .failure) {
      _ = Tensor.zeros([2, 4]).experts(
        ExpertAssignment([0, 0, 0], k: 1, experts: 1), weights: Tensor.zeros([2, 1]), gateUp: Tensor.zeros([1, 4, 4]),
        down: Tensor.zeros([1, 4, 2]))
    }
  }
}
