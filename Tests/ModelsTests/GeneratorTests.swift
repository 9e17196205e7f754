import Checkpoint
import Placements
import Routing
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
      var generator = Generator(model)
      let new = try generator.continue(
        with: prompt.input_ids, maxNew: prompt.greedy_ids.count,
        isLast: {
          heard.append($0)
          return false
        })
      #expect(new == prompt.greedy_ids && heard == new)
    }
  }

  private func continuation(_ model: LanguageModel, _ prompt: [Int32], maxNew: Int) throws -> [Int32] {
    var generator = Generator(model)
    return try generator.continue(with: prompt, maxNew: maxNew)
  }

  /// A text that is continued twice is the text that is continued once, and every token is seen once.
  @Test func aTextGoesOnFromWhatIsKept() throws {
    let model = try Oracle("olmoe-tiny").model()
    var seen = 0
    var generator = Generator(model)
    var count = 0
    let first = try generator.continue(with: [1, 2, 3], maxNew: 9, observe: { seen += $0.hidden.rows }) { _ in
      count += 1
      return count == 3
    }
    #expect(first.count == 3 && seen == 5, "the last token is not seen yet")
    let second = try generator.continue(with: [7, 8], maxNew: 4)
    #expect(generator.tokens == [1, 2, 3] + first + [7, 8] + second)
    #expect(try continuation(model, [1, 2, 3] + first + [7, 8], maxNew: 4) == second)
    #expect(throws: GenerationError.self) { try generator.continue(with: [9], maxNew: 300) }
    #expect(generator.tokens.count == 12, "what does not fit is not added")
    seen = 0
    generator.finish { seen += $0.hidden.rows }
    generator.finish { seen += $0.hidden.rows }
    #expect(seen == 1)
    #expect(throws: GenerationError.emptyPrompt) { try generator.continue(with: [], maxNew: 1) }
  }

  @Test(arguments: [nil, 2, 1]) func trailsCountDevicesAsCommunicationDoes(limit: Int?) throws {
    var model = try Oracle("olmoe-tiny").model()
    let c = model.configuration
    let placement = try Placement(
      modelType: c.modelType, experts: c.experts, devices: 4,
      layers: c.sparseLayers.map {
        .init(layer: $0, expertDevice: PlacementMethod.contiguous(experts: c.experts, devices: 4))
      })
    try model.apply(RoutingSettings(placement: placement, policy: .router, deviceLimit: limit))
    var trail = DeviceTrail(placement)
    var counter = CommunicationCounter(
      devices: 4, topK: c.topK, placements: placement.layers.map(\.expertDevice), home: .expected)
    for start: Int32 in [0, 40] {
      let pass = model(TokenBatch(sequences: [(start..<start + 17).map { $0 * 7 % 97 }]))
      trail.add(pass)
      for (index, routing) in pass.routing.enumerated() {
        counter.add(layer: index, chosen: routing.chosen, used: routing.used)
      }
    }
    #expect(trail.tokens.count == 34)
    let mean = trail.tokens.reduce(0) { $0 + $1.devices } / 34
    #expect(abs(mean - counter.statistics().devicesPerToken) <= 1e-12)
    for visit in trail.tokens {
      #expect(abs(visit.shares.reduce(0, +) - 1) <= 1e-6)
      #expect(visit.shares[visit.main] == visit.shares.max())
      if let limit { #expect(visit.devices <= Double(limit)) }
    }
  }

  @Test func stopsAtAnEndTokenAndSaysWhatDoesNotFit() throws {
    var model = try Oracle("olmoe-tiny").model()
    let first = try continuation(model, [1, 2, 3], maxNew: 4)
    var configuration = model.configuration
    configuration.endTokens = [Int(first[1])]
    model = LanguageModel(
      configuration: configuration, embedding: model.embedding, layers: model.layers, norm: model.norm,
      head: model.head,
      rotary: model.rotary)
    let stopped = try continuation(model, [1, 2, 3], maxNew: 4)
    #expect(stopped == Array(first.prefix { $0 != first[1] }))

    #expect(throws: GenerationError.emptyPrompt) { try continuation(model, [], maxNew: 1) }
    let error = #expect(throws: GenerationError.self) { try continuation(model, [1, 2], maxNew: 300) }
    #expect(
      error?.description
        == "prompt: expected at most 256 tokens with the new ones (the model's context), found 2 + 300; "
        + "try --max-new 254")
    #expect(throws: GenerationError.token(512, vocabulary: 512)) {
      try continuation(model, [512], maxNew: 1)
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
