import Testing

@testable import Models

@Suite struct SamplingTests {
  @Test func samplingFollowsSeedAndTemperature() {
    var greedy = Sampling()
    #expect(greedy.next([0, 3, 1, 3]) == 1)
    let logits: [Float] = [0, 1, 2]
    var (a, b, cold) = (
      Sampling(temperature: 1, seed: 5), Sampling(temperature: 1, seed: 5), Sampling(temperature: 0.01, seed: 5)
    )
    var counts = [0, 0, 0]
    for _ in 0..<4000 {
      let token = a.next(logits)
      #expect(token == b.next(logits))
      counts[Int(token)] += 1
      #expect(cold.next(logits) == 2)
    }
    // Shares e^z / Σ e^z with a standard error of at most 0.008 at 4000 draws.
    for (count, share) in zip(counts, [0.0900, 0.2447, 0.6652]) {
      #expect(abs(Double(count) / 4000 - share) <= 0.03)
    }
  }

  /// Shares over logits as the processors of transformers 5.24.0 leave them, at temperature 0.8, after tokens 2, 1, 2;
  /// where two are equally likely at the border of top-p, the lower id stays here.
  @Test(
    arguments: [
      (nil, 1, 1.3, 1, [0.09003, 0.01049, 0.2019, 0.40347, 0.02009, 0.18129, 0.00272, 0.09003]),
      (3, 1, 1, 0.8, [0, 0, 0.42232, 0.42232, 0, 0.15536, 0, 0]),
      (4, 1, 1, 0.8, [0.05734, 0, 0.37389, 0.37389, 0, 0.13755, 0, 0.05734]),
      (1, 1, 1, 0.8, [0, 0, 0.5, 0.5, 0, 0, 0, 0]),
      (nil, 0.7, 1, 0.8, [0, 0, 0.5, 0.5, 0, 0, 0, 0]),
      (nil, 0.9, 1, 0.8, [0.06083, 0, 0.39663, 0.39663, 0, 0.14591, 0, 0]),
      (5, 0.75, 1.3, 0.8, [0, 0, 0.2353, 0.55904, 0, 0.20566, 0, 0]),
    ] as [(Int?, Double, Double, Double, [Double])])
  func drawsFromWhatTheLimitsLeave(topK: Int?, topP: Double, penalty: Double, temperature: Double, shares: [Double]) {
    let logits: [Float] = [1.5, -0.5, 3, 3, 0, 2.2, -2, 1.5]
    var sampling = Sampling(
      temperature: temperature, topK: topK, topP: topP, repetitionPenalty: penalty, seed: 11)
    var counts = [Int](repeating: 0, count: 8)
    let draws = 20_000
    for _ in 0..<draws { counts[Int(sampling.next(logits, after: [2, 1, 2] as [Int32]))] += 1 }
    for (token, share) in shares.enumerated() {
      // Four standard errors; what is left out never comes.
      let error = 4 * (share * (1 - share) / Double(draws)).squareRoot()
      #expect(abs(Double(counts[token]) / Double(draws) - share) <= error, "token \(token): \(counts[token])")
    }
  }

  @Test func thePenaltyHoldsForTheLikeliestTokenToo() {
    var sampling = Sampling(repetitionPenalty: 2)
    #expect(sampling.next([4, 3, -1], after: [Int32]()) == 0)
    #expect(sampling.next([4, 3, -1], after: [0, 0] as [Int32]) == 1, "divided once, however often it occurred")
    #expect(sampling.next([-1, -1.5, -9], after: [0] as [Int32]) == 1, "a negative logit falls")
  }
}
