import Testing

@testable import Text

/// Runs of many epochs: what is asked of a batcher before and while it runs takes time with the number of epochs, not
/// its square.
@Suite struct BatcherCountTests {
  private func batcher(_ weight: Double = 1) -> Batcher {
    let documents = (0..<6).map { id in
      TokenizedDocument(
        tokens: (0..<4 + id).map { Int32($0) }, hasLoss: Array(repeating: true, count: 4 + id), id: id,
        source: "s:\(id)",
        sourceIndex: 0, weight: weight)
    }
    return Batcher(documents: documents, options: .init(maxTokens: 16, batchTokens: 16, packing: true, seed: 1))
  }

  /// Walked from the first epoch for each of these steps, it would take hours.
  @Test func stepsOfManyEpochsAreFoundAtOnce() {
    let batcher = batcher()
    let steps = batcher.stepCount(epochs: 20_000)
    var last = Batcher.Position(epoch: -1, batch: 0)
    for step in 0..<steps {
      let position = batcher.position(ofStep: step)
      #expect(position.epoch == last.epoch ? position.batch == last.batch + 1 : position.batch == 0)
      last = position
    }
    #expect(last == Batcher.Position(epoch: 19_999, batch: batcher.batchCount(epoch: 19_999) - 1))
  }

  @Test func countingStopsWhereItIsEnough() {
    #expect(batcher().stepCount(epochs: .max, atMost: 7) == 7)
    #expect(batcher().stepCount(epochs: 2, atMost: .max) == batcher().stepCount(epochs: 2))
  }

  @Test(arguments: [1, 2, 0.5, 1.3])
  func tokensAreThoseOfTheBatches(weight: Double) {
    let batcher = batcher(weight)
    for steps in 0...3 * batcher.batchCount(epoch: 0) {
      let expected = (0..<steps).reduce(0) { $0 + batcher.batch(at: $1).tokens.count }
      #expect(batcher.tokenCount(steps: steps) == expected)
    }
  }
}
