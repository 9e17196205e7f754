import Formats
import Testing

@testable import Profiles
@testable import Routing

@Suite struct OutputSimilarityTests {
  /// Against the definition, in double precision; pieces and the order of tasks change nothing.
  @Test func equalsItsDefinition() {
    let (experts, tokens, hidden) = (5, 12, 37)
    var generator = SplitMix64(seed: 2)
    var outputs = (0..<experts * tokens * hidden).map { _ in Float(generator.uniform() - 0.5) }
    let size = tokens * hidden
    for index in 0..<size {  // expert 1 is nearly expert 0, expert 2 its opposite, expert 4 is silent
      outputs[size + index] = outputs[index] * 1.001
      outputs[2 * size + index] = -outputs[index]
      outputs[4 * size + index] = 0
    }
    func norm(_ i: Int, _ j: Int?) -> Double {
      var sum = 0.0
      for index in 0..<size {
        let other = j.map { Double(outputs[$0 * size + index]) } ?? 0
        let difference = Double(outputs[i * size + index]) - other
        sum += difference * difference
      }
      return sum.squareRoot()
    }
    var whole = OutputSimilarity(experts: experts)
    outputs.withUnsafeBufferPointer { whole.add($0, tokens: tokens) }
    var pieces = OutputSimilarity(experts: experts)
    for half in 0..<2 {
      var part: [Float] = []
      for expert in 0..<experts {
        let start = expert * size + half * size / 2
        part += outputs[start..<start + size / 2]
      }
      part.withUnsafeBufferPointer {
        pieces.add($0, tokens: tokens / 2) { count, task in for index in (0..<count).reversed() { task(index) } }
      }
    }
    let table = whole.table
    for i in 0..<experts {
      for j in 0..<experts {
        let expected = i == j ? 1 : 1 - norm(i, j) / (norm(i, nil) + norm(j, nil))
        #expect(abs(Double(table[i * experts + j]) - expected) <= 1e-6)
        #expect(abs(Double(pieces.table[i * experts + j]) - expected) <= 1e-6)
      }
    }
    #expect(table[1] > 0.9994 && table[2] == 0 && table[4] == 0 && whole.tokens == 12 && pieces.tokens == 12)
  }

  @Test func silentExpertsAreEqualAndNaNStays() {
    var silent = OutputSimilarity(experts: 2)
    [Float](repeating: 0, count: 8).withUnsafeBufferPointer { silent.add($0, tokens: 2) }
    #expect(silent.table == [1, 1, 1, 1])
    var broken = OutputSimilarity(experts: 2)
    [Float.nan, 1].withUnsafeBufferPointer { broken.add($0, tokens: 1) }
    #expect(broken.table[1].isNaN)
  }
}
