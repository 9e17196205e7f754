import Checkpoint
import Placements
import Tensors
import Testing

@testable import Models

@Suite struct ProfilerTests {
  /// Counts of a profile against a direct count over single documents; neither batches nor a limit change the choice
  /// that the first layer makes.
  @Test func countsWhatTheRoutersChoose() throws {
    var model = try Oracle("olmoe-tiny").model()
    let documents = (0..<5).map { id in
      (id: id * 10, tokens: (0..<7 + id).map { Int32(($0 * 37 + id * 101) % 512) })
    }
    var told: [Int] = []
    let profile = try ModelProfiler(model, batchTokens: 16).profile(documents, data: "test") { told.append($0) }
    #expect(told == [15, 24, 34, 45])
    #expect(profile.modelType == "olmoe" && profile.tokens == 45 && profile.layers.map(\.layer) == [0, 1])
    for (index, layer) in profile.layers.enumerated() {
      var load = [Int64](repeating: 0, count: 8)
      var sets: [Int32] = []
      for document in documents {
        let routing = model(TokenBatch(sequences: [document.tokens])).routing[index]
        for expert in routing.chosen { load[Int(expert)] += 1 }
        for start in stride(from: 0, to: routing.chosen.count, by: 2) {
          sets += routing.chosen[start..<start + 2].sorted()
        }
      }
      #expect(layer.load == load && layer.sets == sets)
      #expect(layer.documents.first == 0 && layer.documents.last == 40)
      #expect(layer.cosineSimilarity?[9] == 1 && layer.centeredSimilarity != nil)
    }
    let limit = RoutingOverrides(devices: 4, deviceLimit: .devices(1))
    if let settings = try limit.settings(over: nil, model.configuration) { try model.apply(settings) }
    let limited = try ModelProfiler(model, batchTokens: 16).profile(documents, data: "test")
    #expect(limited.layers[0].coactivation == profile.layers[0].coactivation)
    #expect(limited.layers[0].weights == profile.layers[0].weights)
    #expect(limited.layers[1].cosineSimilarity != profile.layers[1].cosineSimilarity)
  }

  /// The table of a profile against outputs that every expert gives by itself on the sample's tokens: expert e gets all
  /// weight by a router of one hot row. A placement that moves experts in memory changes nothing.
  @Test func outputSimilarityIsThatOfTheExperts() throws {
    var model = try Oracle("olmoe-tiny").model()
    let documents = (0..<3).map { id in (id: id, tokens: (0..<10).map { Int32(($0 * 37 + id * 101) % 512) }) }
    let profiler = ModelProfiler(model, batchTokens: 16, outputSimilarityTokens: 6)
    let result = try profiler.run(documents, data: "test")
    #expect(result.outputSimilaritySeconds > 0 && result.seconds > 0)
    for layer in result.profile.layers {
      // Tokens 0, 5, 10, … of the text: two of every document.
      var inputs: [Tensor] = []
      for document in documents {
        _ = model(TokenBatch(sequences: [document.tokens])) { moe, x in
          if moe.number == layer.layer { inputs.append(x.gatherRows([0, 5])) }
        }
      }
      let moe = try #require(model.layers[layer.layer].moe)
      let i = moe.experts.down.shape[2]
      let outputs = (0..<8).map { expert in
        inputs.flatMap { x -> [Float] in
          let wide = x.matMulTransposed(
            moe.experts.gateUp.reshaped([8 * 2 * i, x.columns]).gatherRows(
              (0..<Int32(2 * i)).map { $0 + Int32(expert * 2 * i) }))
          let parts = wide.split([i, i])
          return (parts[0].silu() * parts[1]).matMulTransposed(
            moe.experts.down.reshaped([8 * x.columns, i]).gatherRows(
              (0..<Int32(x.columns)).map { $0 + Int32(expert * x.columns) })
          ).elements
        }
      }
      func norm(_ values: [Float]) -> Double {
        values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      }
      let table = try #require(layer.outputSimilarity)
      for a in 0..<8 {
        for b in 0..<8 {
          let distance = norm(zip(outputs[a], outputs[b]).map { $0 - $1 })
          let expected = a == b ? 1 : 1 - distance / (norm(outputs[a]) + norm(outputs[b]))
          #expect(abs(Double(table[a * 8 + b]) - expected) <= 1e-5)
        }
      }
    }
    for index in model.layers.indices { model.layers[index].moe?.arrange([3, 1, 7, 0, 5, 2, 6, 4]) }
    let arranged = try ModelProfiler(model, batchTokens: 16, outputSimilarityTokens: 6).profile(documents, data: "test")
    #expect(arranged.layers == result.profile.layers)
    #expect(try ModelProfiler(model).profile(documents, data: "test").layers[0].outputSimilarity == nil)
  }

  @Test func summariesCompareWithContiguous() throws {
    let model = try Oracle("olmoe-tiny").model()
    let tokens = (0..<200).map { Int32(($0 * 37) % 512) }
    let profile = try ModelProfiler(model).profile([(id: 0, tokens: tokens)], data: "test")
    let placement = try Placement(profile, devices: 4, method: .refined)
    let summary = try PlacementSummary(placement, method: .refined, profile: profile)
    #expect(summary.layers.map(\.predicted) == placement.layers.map(\.predicted))
    let contiguous = try Placement(profile, devices: 4, method: .contiguous)
    #expect(summary.layers.map(\.contiguous) == contiguous.layers.map(\.predicted))
    let mean = summary.layers.map(\.predicted.devicesPerToken).reduce(0, +) / 2
    #expect(abs(summary.mean.predicted.devicesPerToken - mean) <= 1e-12)
    // One pair in seven is on one device by chance: C_T = 2 − 1/7.
    #expect(abs(summary.randomChoice - (2 - 1.0 / 7)) <= 1e-12)
  }
}
