import Checkpoint
import Foundation
import Tensors
import Testing

@testable import Models

@Suite struct GeneratorTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// Token by token, in pieces and at once, with sequences of different lengths: the logits of a full pass.
  ///
  /// Cached attention adds up in another order than the tiles of a full pass: 1e-5 is what float32 leaves of that.
  @Test(arguments: FamilyOracleTests.variants) func decodingEqualsTheFullPass(variant: String) throws {
    let model = try Oracle(variant).model()
    let vocabulary = Int32(model.configuration.vocabulary)
    let sequences = [0, 1].map { row in (0..<9 + row).map { Int32($0 * 31 + row * 17 + 5) % vocabulary } }
    let session = DecodingSession(model, sequences: 2, capacity: 16)
    var ends = [0, 0]
    for step in [[3, 5], [1, 1], [4, 2], [1, 2]] {
      let logits = session.append([0, 1].map { Array(sequences[$0][ends[$0]..<ends[$0] + step[$0]]) })
      ends = [ends[0] + step[0], ends[1] + step[1]]
      #expect(session.lengths == ends)
      let pass = model(TokenBatch(sequences: [0, 1].map { Array(sequences[$0][..<ends[$0]]) }))
      let last = pass.hidden.gatherRows([Int32(ends[0] - 1), Int32(ends[0] + ends[1] - 1)])
      #expect(relativeError(logits.elements, model.logits(last).elements.map(Double.init)) <= 1e-5, "\(ends)")
    }
  }

  /// Sequences that share a beginning, in two generations: the logits of a full pass over each whole sequence.
  @Test(arguments: FamilyOracleTests.variants) func sharedBeginningsEqualTheFullPass(variant: String) throws {
    let model = try Oracle(variant).model()
    let vocabulary = Int32(model.configuration.vocabulary)
    func tokens(_ seed: Int, _ count: Int) -> [Int32] {
      (0..<count).map { Int32($0 * 31 + seed * 17 + 5) % vocabulary }
    }
    let root = DecodingSession(model, sequences: 2, capacity: 12)
    let beginnings = [tokens(0, 3), tokens(1, 9)]
    _ = root.append(beginnings)
    let parents = [1, 0, 1]
    let middles = [tokens(2, 2), tokens(3, 1), tokens(4, 4)]
    let middle = root.continued(parents, adding: [2, 3, 4])
    _ = middle.append(middles)
    // What the root sees afterwards is its own.
    _ = root.append([tokens(8, 1), tokens(9, 2)])
    let leaves = middle.continued([0, 2, 2, 1], adding: [3, 1, 2, 2])
    let ends = [tokens(5, 3), tokens(6, 1), tokens(7, 2), tokens(8, 2)]
    let pass = leaves.advance(ends)
    #expect(leaves.lengths == [14, 14, 15, 6])
    for (leaf, parent) in [0, 2, 2, 1].enumerated() {
      let whole = beginnings[parents[parent]] + middles[parent] + ends[leaf]
      let full = model(TokenBatch(sequences: [whole])).hidden
      let rows = (whole.count - ends[leaf].count..<whole.count).map { Int32($0) }
      let own = pass.hidden.gatherRows(pass.segments[leaf].map { Int32($0) })
      #expect(relativeError(own.elements, full.gatherRows(rows).elements.map(Double.init)) <= 1e-5, "\(leaf)")
    }
  }

  /// The base model's greedy continuations as transformers gives them in float64.
  @Test func greedyContinuationsOfTheBaseModel() throws {
    struct Reference: Decodable {
      struct Prompt: Decodable {
        let input_ids: [Int32]
        let greedy_ids: [Int32]
        let last_logits: [Double]
      }
      let prompts: [Prompt]
    }
    let file = URL(fileURLWithPath: Self.root + "/Tests/ModelsTests/Oracles/base/reference.json")
    let reference = try JSONDecoder().decode(Reference.self, from: try Data(contentsOf: file))
    let model = try ModelFiles(opening: Self.root + "/checkpoints/base.h5").model()
    #expect(!reference.prompts.isEmpty)
    for prompt in reference.prompts {
      let session = DecodingSession(model, sequences: 1, capacity: 64)
      #expect(relativeError(session.append([prompt.input_ids]).elements, prompt.last_logits) <= 1e-5)
      var heard: [Int32] = []
      let new = try Generator(model).continuation(of: prompt.input_ids, maxNew: prompt.greedy_ids.count) {
        heard.append($0)
      }
      #expect(new == prompt.greedy_ids && heard == new)
    }
  }

  @Test func stopsAtAnEndTokenAndSaysWhatDoesNotFit() throws {
    var model = try Oracle("olmoe-tiny").model()
    let first = try Generator(model).continuation(of: [1, 2, 3], maxNew: 4)
    var configuration = model.configuration
    configuration.endTokens = [Int(first[1])]
    model = LanguageModel(
      configuration: configuration, embedding: model.embedding, layers: model.layers, norm: model.norm,
      head: model.head,
      rotary: model.rotary)
    let stopped = try Generator(model).continuation(of: [1, 2, 3], maxNew: 4)
    #expect(stopped == Array(first.prefix { $0 != first[1] }))

    #expect(throws: GenerationError.emptyPrompt) { try Generator(model).continuation(of: [], maxNew: 1) }
    let error = #expect(throws: GenerationError.self) { try Generator(model).continuation(of: [1, 2], maxNew: 300) }
    #expect(
      error?.description
        == "prompt: expected at most 256 tokens with the new ones (the model's context), found 2 + 300; "
        + "try --max-new 254")
    #expect(throws: GenerationError.token(512, vocabulary: 512)) {
      try Generator(model).continuation(of: [512], maxNew: 1)
    }
  }

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

  /// A shape's configuration is the one that its own JSON gives.
  @Test func shapesMakeConfigurations() throws {
    let shape = try OLMoE.configuration(
      layers: 2, hidden: 32, heads: 4, experts: 8, intermediate: 16, topK: 2, vocabulary: 96, context: 24)
    #expect(try ModelFamily.configuration(json: shape.json, file: "json") == shape)
    #expect(shape.parameterCount == ModelFamily.parameters(shape).reduce(0) { $0 + $1.shape.reduce(1, *) })
    #expect(throws: ConfigurationError.self) {
      try OLMoE.configuration(
        layers: 2, hidden: 36, heads: 4, experts: 8, intermediate: 16, topK: 2, vocabulary: 96, context: 24)
    }
  }
}
