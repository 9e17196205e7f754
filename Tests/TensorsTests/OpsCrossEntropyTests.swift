import Foundation
import Testing

@testable import Tensors

@Suite struct OpsCrossEntropyTests {
  /// Losses, dx and dW of Σ ℓ in double precision, straight from the definition.
  static func reference(_ x: Tensor, _ w: Tensor, _ targets: [Int32]) -> (losses: [Double], dx: [Double], dw: [Double])
  {
    let (rows, h, vocabulary) = (x.rows, x.columns, w.rows)
    let (source, weight) = (x.doubles, w.doubles)
    var losses: [Double] = []
    var (dx, dw) = (source.map { _ in 0.0 }, weight.map { _ in 0.0 })
    for row in 0..<rows {
      let hidden = Array(source[row * h..<(row + 1) * h])
      let z = referenceProduct(hidden, weight, m: 1, n: vocabulary, k: h, transposeB: true)
      var (p, logSumExp) = OpsSoftmaxNormTests.softmax(z[...])
      losses.append(logSumExp - z[Int(targets[row])])
      p[Int(targets[row])] -= 1
      for v in 0..<vocabulary {
        for j in 0..<h {
          dx[row * h + j] += p[v] * weight[v * h + j]
          dw[v * h + j] += p[v] * hidden[j]
        }
      }
    }
    return (losses, dx, dw)
  }

  struct Size: CustomTestStringConvertible {
    let rows: Int, h: Int, vocabulary: Int
    var testDescription: String { "\(rows) rows of \(h), vocabulary \(vocabulary)" }
  }

  @Test(arguments: [
    Size(rows: 1, h: 1, vocabulary: 1), Size(rows: 3, h: 5, vocabulary: 7), Size(rows: 129, h: 6, vocabulary: 33),
    Size(rows: 300, h: 9, vocabulary: 65),
  ])
  func againstReference(_ size: Size) throws {
    let x = Tensor.random([size.rows, size.h], seed: 1, in: -2...2).tracked()
    let w = Tensor.random([size.vocabulary, size.h], seed: 2, in: -2...2).tracked()
    let targets = (0..<size.rows).map { Int32(($0 * 5) % size.vocabulary) }
    let expected = Self.reference(x, w, targets)
    let (sum, losses) = x.crossEntropy(projectedBy: w, targets: targets)
    expectClose(losses, expected.losses, atol: 2e-6, "loss")
    expectEqual(sum, [expected.losses.reduce(0, +)], [])
    let gradients = sum.gradients()
    expectEqual(try #require(gradients[x]), expected.dx, x.shape, atol: 5e-6)
    expectEqual(try #require(gradients[w]), expected.dw, w.shape, rtol: 1e-5, atol: 2e-5)
    // A seed scales gradients; what is not tracked does not change a loss.
    let scaled = sum.gradients(seed: 0.125)
    expectEqual(try #require(scaled[x]), expected.dx.map { $0 / 8 }, x.shape, atol: 5e-6)
    expectEqual(try #require(scaled[w]), expected.dw.map { $0 / 8 }, w.shape, atol: 5e-6)
    let untracked = x.detached().crossEntropy(projectedBy: w.detached(), targets: targets)
    #expect(!untracked.sum.isTracked)
    expectClose(untracked.losses, expected.losses, atol: 2e-6, "untracked loss")
  }

  /// A vocabulary so large that 300 rows take three chunks. Its weights are zero but for a few classes, so that the
  /// reference is short: the other classes have logit 0 and one common probability.
  ///
  /// At 300 columns the classes take two blocks. bfloat16 weights give the bits of the same numbers in float32.
  @Test(arguments: [3, 300]) func severalChunks(h: Int) throws {
    let (rows, vocabulary, live) = (300, 20_000, 5)
    let x = Tensor.random([rows, h], seed: 3, in: -2...2).tracked()
    let size = 3 / Float(h / 3).squareRoot()
    let head = Tensor.random([live, h], seed: 4, in: -size...size).stored(as: .bfloat16).stored(as: .float32)
    let w = Tensor(head.elements + Array(repeating: 0, count: (vocabulary - live) * h), shape: [vocabulary, h])
      .tracked()
    let targets = (0..<rows).map { $0 % 3 == 0 ? Int32(vocabulary - 1) : Int32($0 % live) }
    let (source, weight) = (x.doubles, head.doubles)
    var (losses, dx) = ([Double](), source.map { _ in 0.0 })
    let zeros = Array(repeating: 0.0, count: h)
    var (dHead, dRest, dLast) = (weight.map { _ in 0.0 }, zeros, zeros)
    for row in 0..<rows {
      let hidden = Array(source[row * h..<(row + 1) * h])
      let z = referenceProduct(hidden, weight, m: 1, n: live, k: h, transposeB: true)
      let total = z.reduce(Double(vocabulary - live)) { $0 + exp($1) }
      let target = Int(targets[row])
      losses.append(log(total) - (target < live ? z[target] : 0))
      for j in 0..<h {
        dRest[j] += hidden[j] / total
        if target == vocabulary - 1 { dLast[j] -= hidden[j] }
        for v in 0..<live {
          let p = exp(z[v]) / total - (v == target ? 1 : 0)
          dx[row * h + j] += p * weight[v * h + j]
          dHead[v * h + j] += p * hidden[j]
        }
      }
    }
    let (sum, found) = x.crossEntropy(projectedBy: w, targets: targets)
    expectClose(found, losses, "loss")
    let gradients = sum.gradients()
    expectEqual(try #require(gradients[x]), dx, x.shape, atol: 1e-5)
    let narrow = x.crossEntropy(projectedBy: w.detached().stored(as: .bfloat16), targets: targets)
    #expect(narrow.losses == found && bits(narrow.sum.gradients()[x]) == bits(gradients[x]))
    let dw = try #require(gradients[w]).elements
    expectClose(Array(dw.prefix(live * h)), dHead, atol: 2e-5, "weight of a live class")
    expectClose(Array(dw[live * h..<(live + 1) * h]), dRest, atol: 1e-6, "weight of a class that never occurs")
    expectClose(Array(dw.suffix(h)), zip(dRest, dLast).map { $0 + $1 }, atol: 2e-5, "weight of the last class")
  }

  /// Which targets a greedy choice takes: the first of the largest logits, whichever way the rows are worked off.
  @Test(arguments: [40, 20_000]) func bestTargets(vocabulary: Int) {
    let w = Tensor.random([vocabulary, 4], seed: 8)
    let x = Tensor.random([9, 4], seed: 9)
    let logits = x.matMulTransposed(w).elements
    let best = (0..<9).map { row in
      let row = logits[row * vocabulary..<(row + 1) * vocabulary]
      return Int32(row.indices.reduce(row.startIndex) { row[$1] > row[$0] ? $1 : $0 } - row.startIndex)
    }
    let targets = best.enumerated().map { $0.offset % 3 == 0 ? ($0.element + 1) % Int32(vocabulary) : $0.element }
    let scores = x.scores(projectedBy: w, targets: targets)
    #expect(scores.isBest == (0..<9).map { $0 % 3 != 0 })
    #expect(scores.losses == x.crossEntropy(projectedBy: w, targets: targets).losses)
    // Equal logits: the first.
    let even = Tensor.zeros([2, 4]).scores(projectedBy: w, targets: [0, 1])
    #expect(even.isBest == [true, false])
  }

  @Test func finiteDifferences() {
    let inputs = [Tensor.random([6, 4], seed: 5), Tensor.random([9, 4], seed: 6)]
    expectGradients(of: { $0[0].crossEntropy(projectedBy: $0[1], targets: [0, 8, 3, 3, 1, 7]).sum }, at: inputs)
    // Used inside a larger expression: the scalar's own gradient is not 1.
    expectGradients(
      of: { $0[0].crossEntropy(projectedBy: $0[1], targets: [0, 8, 3, 3, 1, 7]).sum * -0.5 + $0[0].sum() }, at: inputs)
  }

  @Test func bfloat16WeightAndOneTrackedInput() {
    let x = Tensor.random([5, 4], seed: 7)
    let w = Tensor.random([6, 4], seed: 8).stored(as: .bfloat16)
    let targets: [Int32] = [0, 1, 2, 3, 5]
    expectGradient(of: { $0.crossEntropy(projectedBy: w, targets: targets).sum }, at: x)
    expectGradient(of: { x.crossEntropy(projectedBy: $0, targets: targets).sum }, at: w.stored(as: .float32))
    expectClose(
      x.crossEntropy(projectedBy: w, targets: targets).losses, Self.reference(x, w, targets).losses, "bfloat16 loss")
  }

  @Test func noRows() throws {
    let w = Tensor.random([6, 4], seed: 9).tracked()
    let (sum, losses) = Tensor.zeros([0, 4]).crossEntropy(projectedBy: w, targets: [])
    #expect(sum.scalar == 0 && losses.isEmpty)
    #expect(try #require(sum.gradients()[w]).elements.allSatisfy { $0 == 0 })
  }

  @Test func targetBeyondTheVocabularyTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = Tensor.zeros([1, 2]).crossEntropy(projectedBy: Tensor.zeros([3, 2]), targets: [3])
    }
  }
}
