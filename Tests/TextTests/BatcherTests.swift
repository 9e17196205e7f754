import Formats
import Testing

@testable import Text

@Suite struct BatcherTests {
  /// Documents of the given lengths; tokens tell them apart.
  private func documents(_ lengths: [Int], weight: Double = 1, source: Int = 0, from first: Int = 0)
    -> [TokenizedDocument]
  {
    lengths.enumerated().map { index, length in
      TokenizedDocument(
        tokens: (0..<length).map { Int32(1000 * (first + index) + $0) }, hasLoss: Array(repeating: true, count: length),
        id: first + index, source: "s:\(index)", sourceIndex: source, weight: weight)
    }
  }

  private var mixed: [TokenizedDocument] {
    var generator = SplitMix64(seed: 3)
    return documents((0..<200).map { _ in 2 + generator.uniform(below: 60) })
  }

  @Test(arguments: [true, false])
  func everyDocumentOnceAndNothingElse(packing: Bool) {
    let documents = mixed
    let batcher = Batcher(
      documents: documents, options: .init(maxTokens: 64, batchTokens: 256, packing: packing, seed: 1))
    for epoch in 0..<2 {
      var seen: [Int] = []
      for index in 0..<batcher.batchCount(epoch: epoch) {
        let batch = batcher.batch(at: .init(epoch: epoch, batch: index))
        #expect(batch.tokens.count <= 256 && batch.targets.count == batch.tokens.count)
        #expect(batch.sequences.allSatisfy { $0.count <= 64 })
        #expect(batch.sequences.map(\.lowerBound) == [0] + batch.sequences.dropLast().map(\.upperBound))
        #expect(batch.segments.map(\.lowerBound) == [0] + batch.segments.dropLast().map(\.upperBound))
        #expect(batch.segments.last?.upperBound == batch.tokens.count)
        let starts = Set(batch.segments.map(\.lowerBound))
        #expect(batch.sequences.allSatisfy { starts.contains($0.lowerBound) })
        if !packing { #expect(batch.sequences == batch.segments) }
        for (segment, id) in zip(batch.segments, batch.documents) {
          #expect(Array(batch.tokens[segment]) == documents[id].tokens)
          #expect(Array(batch.targets[segment]) == documents[id].targets)
        }
        seen += batch.documents
      }
      #expect(seen.sorted() == Array(0..<200))
      #expect(seen != Array(0..<200))
    }
  }

  @Test func orderDependsOnSeedAndEpochOnly() {
    let options = Batcher.Options(maxTokens: 64, batchTokens: 256, packing: true, seed: 1)
    let batcher = Batcher(documents: mixed, options: options)
    let again = Batcher(documents: mixed, options: options)
    let steps = batcher.stepCount(epochs: 2)
    // Asked backwards: a resumed run must find the same batches.
    for step in (0..<steps).reversed() { #expect(again.batch(at: step) == batcher.batch(at: step)) }
    #expect(batcher.batch(at: 0) != batcher.batch(at: batcher.batchCount(epoch: 0)))
    #expect(
      batcher.position(ofStep: batcher.batchCount(epoch: 0) + 1) == Batcher.Position(epoch: 1, batch: 1))
    #expect(batcher.orderHash(steps: steps) == again.orderHash(steps: steps))
    var other = options
    other.seed = 2
    #expect(Batcher(documents: mixed, options: other).orderHash(steps: steps) != batcher.orderHash(steps: steps))
    other.seed = 1
    other.batchTokens = 300
    #expect(Batcher(documents: mixed, options: other).orderHash(steps: steps) != batcher.orderHash(steps: steps))
    let fewer = Batcher(documents: Array(mixed.dropLast()), options: options)
    #expect(fewer.orderHash(steps: 1) != batcher.orderHash(steps: 1))
    // Written down: the order must not change from machine to machine or version to version.
    #expect(batcher.orderHash(steps: steps) == "f57d9f192c9f40e0")
  }

  @Test func withoutShufflingTheOrderIsTheFiles() {
    let batcher = Batcher(
      documents: documents([5, 5, 5]),
      options: .init(maxTokens: 10, batchTokens: 10, packing: true, shuffles: false, seed: 1))
    #expect(batcher.batch(at: 0).documents == [0, 1] && batcher.batch(at: 1).documents == [2])
  }

  @Test func aLongSequenceIsABatchOfItsOwn() {
    let batcher = Batcher(
      documents: documents([30, 4, 4]),
      options: .init(maxTokens: 30, batchTokens: 8, packing: false, shuffles: false, seed: 1))
    #expect((0..<2).map { batcher.batch(at: $0).documents } == [[0], [1, 2]])
  }

  @Test func firstFit() {
    #expect(FirstFit.pack([6, 5, 4, 3, 2, 5], capacity: 10) == [[0, 2], [1, 3, 4], [5]])
    #expect(FirstFit.pack([12, 3, 7, 11], capacity: 10) == [[0], [1, 2], [3]])
    #expect(FirstFit.pack([], capacity: 10).isEmpty)
  }

  @Test func weightsAreCopies() {
    let all =
      documents(Array(repeating: 3, count: 10), weight: 2.5)
      + documents(Array(repeating: 3, count: 8), weight: 0.25, source: 1, from: 10)
    let batcher = Batcher(documents: all, options: .init(maxTokens: 9, batchTokens: 9, packing: true, seed: 1))
    var counts = [Int](repeating: 0, count: 18)
    for epoch in 0..<4 {
      var inEpoch = [Int](repeating: 0, count: 18)
      for index in 0..<batcher.batchCount(epoch: epoch) {
        for id in batcher.batch(at: .init(epoch: epoch, batch: index)).documents { inEpoch[id] += 1 }
      }
      #expect(inEpoch[..<10].reduce(0, +) == 25 && inEpoch[10...].reduce(0, +) == 2)
      counts = zip(counts, inEpoch).map(+)
    }
    // Over four epochs every document has had its turn.
    #expect(counts == Array(repeating: 10, count: 10) + Array(repeating: 1, count: 8))
  }

  @Test func generatorIsSplitMix64() {
    // First outputs for seed 1234567, from the reference implementation.
    var generator = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in generator.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
    var counts = [0, 0, 0]
    for _ in 0..<3000 { counts[generator.uniform(below: 3)] += 1 }
    #expect(counts.allSatisfy { (900...1100).contains($0) })
    #expect(generator.permutation(50).sorted() == Array(0..<50))
  }

  @Test func hashIsFNV1a() {
    // FNV-1a of the eight bytes 61 00 … 00.
    var hash = StableHash()
    hash.combine(0x61)
    var expected: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte: UInt64 in [0x61, 0, 0, 0, 0, 0, 0, 0] { expected = (expected ^ byte) &* 0x0000_0100_0000_01B3 }
    #expect(hash.value == expected && hash.hexadecimal.count == 16)
    #expect(StableHash().hexadecimal == "cbf29ce484222325")
  }

  @Test func nearestSpelling() {
    let keys = ["learning_rate", "max_tokens", "packing"]
    #expect(Spelling.nearest(to: "learnign_rate", in: keys) == "learning_rate")
    #expect(Spelling.nearest(to: "max-tokens", in: keys) == "max_tokens")
    #expect(Spelling.nearest(to: "unrelated", in: keys) == nil)
    #expect(Spelling.nearest(to: "", in: keys) == nil)
  }
}
