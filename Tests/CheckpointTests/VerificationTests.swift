import Files
import Placements
import Routing
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Checkpoint

/// `verify` reads everything that a file holds.
@Suite struct VerificationTests {
  /// A checkpoint with all that one can hold: weights, moments, tables, texts, bytes.
  private static func write(
    _ path: String, _ layout: WeightLayout, _ edit: (inout CheckpointExtras) throws -> Void = { _ in }
  )
    throws
  {
    let configuration = try OLMoE.configuration(
      layers: 1, hidden: 8, heads: 2, experts: 4, intermediate: 4, topK: 2, vocabulary: 16, context: 8)
    let model = ModelFamily.random(configuration, seed: 3)
    var extras = CheckpointExtras(configuration: configuration)
    extras.tokenizerJSON = "{\"a tokenizer\": [1, 2, 3]}"
    extras.tokenizerModel = Array(1...200)
    extras.companions = ["merges.txt": "a b\nc d\n", "generation_config.json": "{}"]
    extras.recipeYAML = "version: 1\n"
    var routing = RoutingSettings(
      placement: try Placement(
        modelType: "olmoe", experts: 4, devices: 2, layers: [.init(layer: 0, expertDevice: [0, 1, 0, 1])]),
      policy: .similarity, deviceLimit: 1, options: PolicyOptions(epsilon: 0.25))
    routing.tables = [0: PolicyTables(similarity: (0..<16).map { Float($0) / 16 })]
    extras.routing = routing
    var moments: [String: (first: Tensor, second: Tensor)] = [:]
    for name in ["model.norm.weight", "model.layers.0.mlp.experts.down_proj"] {
      let shape = name.hasSuffix("weight") ? [8] : [4, 8, 4]
      moments[name] = (.counting(shape, from: 1), .counting(shape, from: 2))
    }
    extras.training = TrainingState(step: 7, tokens: 99, batchOrder: "abc", moments: moments)
    extras.training?.best = .init(step: 5, loss: 1.5, stale: 2)
    try edit(&extras)
    try CheckpointWriter.write(path, weights: ModelBytes(model), layout: layout, extras: extras, program: "test")
  }

  /// All that reading gives: datasets, texts, attributes.
  private static func everything(_ path: String) throws -> [String] {
    let file = try HDF5Reader(path)
    var found: [String] = []
    for dataset in try file.datasets() {
      let info = try file.info(dataset)
      found.append("\(dataset) \(info.shape) \(info.type)")
      found.append(info.type == .string ? try file.string(dataset) : "\(try file.bytes(dataset).bytes)")
    }
    for object in try file.groups() + file.datasets() + ["/"] {
      found.append("\(object) \(try file.attributes(of: object).map { "\($0.name) \($0.value)" })")
    }
    return found
  }

  /// One bit of any byte: it is noticed, or the byte holds nothing: all that reading gives is as before. Those are gaps
  /// that HDF5 leaves between its objects, for alignment or for later, and nothing else.
  @Test(.timeLimit(.minutes(5)), arguments: [false, true])
  func everyFlippedBitIsNoticed(mapped: Bool) async {
    await #expect(processExitsWith: .success) { [mapped] in
      let scratch = try TemporaryFolder()
      let (path, damaged) = (scratch.path("step-7.h5"), scratch.path("damaged.h5"))
      try Self.write(path, mapped ? .mapped : .chunked())
      let verified = try ModelFiles(opening: path).verify()
      precondition(verified.unchecked == nil && verified.others == 12, "\(verified)")
      let (original, expected) = (try contents(path), try Self.everything(path))
      var (seen, unseen) = (0, 0)
      // Gaps are zeros, most of them: a sample of those, a larger one of the others.
      let places = original.indices.filter { $0 % (original[$0] == 0 ? 997 : 29) == 0 }
      for place in places {
        var bytes = original
        bytes[place] ^= 1 << UInt8(place / 4 % 8)
        _ = try scratch.write("damaged.h5", bytes)
        do {
          try ModelFiles(opening: damaged).verify()
        } catch {
          seen += 1
          continue
        }
        do {
          let found = try Self.everything(damaged)
          precondition(found == expected, "byte \(place) of \(original.count) was not noticed")
          precondition(original[place] == 0, "byte \(place) of \(original.count) is no gap and was not noticed")
          unseen += 1
        } catch {
          preconditionFailure("byte \(place) of \(original.count) was not noticed: \(error)")
        }
      }
      precondition(seen > 200, "\(seen) of \(places.count) were noticed, \(unseen) lay in gaps")
    }
  }

  /// What the numbers say has to be possible.
  @Test func limitsAndSettingsAreInRange() throws {
    let scratch = try TemporaryFolder()
    let path = scratch.path("a.h5")
    let cases: [(edit: (inout RoutingSettings) -> Void, text: String)] = [
      (
        { $0.deviceLimit = 3 },
        "\(path) device_limit: expected a limit in 1...2, found 3; try writing or fetching the file again"
      ),
      (
        { $0.deviceLimit = -1 },
        "\(path) device_limit: expected a limit in 1...2, found -1; try writing or fetching the file again"
      ), ({ $0.options.epsilon = 7 }, "epsilon: expected 0 ≤ ε < 1, found 7.0"),
      ({ $0.options.epsilon = .nan }, "epsilon: expected 0 ≤ ε < 1, found nan"),
    ]
    for (edit, text) in cases {
      try Self.write(path, .chunked()) { extras in
        guard var routing = extras.routing else { return }
        edit(&routing)
        extras.routing = routing
      }
      let error = #expect(throws: (any Error).self) { try ModelFiles(opening: path).verify() }
      #expect(error.map { "\($0)".hasPrefix(text) } == true, "\(error as Any)")
    }
  }
}

extension Tensor {
  /// Numbers that are all different.
  fileprivate static func counting(_ shape: [Int], from start: Float) -> Tensor {
    .filled(shape) { buffer in
      for index in buffer.indices { buffer[index] = start + Float(index) / 64 }
    }
  }
}
