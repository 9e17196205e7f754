import Files
import Placements
import Routing
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// A hub folder of the model oracles.
func oracleFolder(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/ModelsTests/Oracles/" + name
}

/// From hub folder to checkpoint and back, and what may not be done.
@Suite struct ConversionTests {
  static let models = ["olmoe-tiny", "olmoe-odd"]

  @Test(arguments: models, [WeightLayout.chunked(), .chunked(deflate: 4), .mapped])
  func roundTripKeepsEveryByte(model: String, layout: WeightLayout) throws {
    let scratch = try TemporaryFolder()
    let (checkpoint, folder) = (scratch.path("model.h5"), scratch.path("folder"))
    var passed: [Int] = []
    let there = try Conversion(
      source: oracleFolder(model), destination: checkpoint, weightLayout: layout, verifies: true
    ).run(program: "test") { done, total in passed += [done, total] }
    let back = try Conversion(source: checkpoint, destination: folder, verifies: true).run(program: "test")
    #expect(there == back)
    #expect(there.verified == there.tensors && passed.suffix(2) == [2 * there.bytes, 2 * there.bytes])
    #expect(passed.count >= 4 * there.tensors)

    let (original, copy) = (try SafetensorsReader(oracleFolder(model)), try SafetensorsReader(folder))
    #expect(original.names.sorted() == copy.names.sorted())
    for name in original.names {
      let (a, b) = (try original.tensor(named: name), try copy.tensor(named: name))
      #expect(a.type == b.type && a.shape == b.shape && a.bytes.elementsEqual(b.bytes), "\(name)")
    }
    #expect(try contents(folder + "/config.json") == contents(oracleFolder(model) + "/config.json"))
  }

  @Test func fusedAndShardedFoldersHoldTheSame() throws {
    let scratch = try TemporaryFolder()
    var conversion = Conversion(
      source: oracleFolder("olmoe-odd"), destination: scratch.path("fused"), expertLayout: .fused,
      maximumShardBytes: 300_000, verifies: true)
    _ = try conversion.run(program: "test")
    let names = try SafetensorsReader(scratch.path("fused")).names
    #expect(names.contains("model.layers.0.mlp.experts.gate_up_proj"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("fused")).count > 3)
    for (source, destination) in [(oracleFolder("olmoe-odd"), "a.h5"), (scratch.path("fused"), "b.h5")] {
      conversion = Conversion(source: source, destination: scratch.path(destination))
      _ = try conversion.run(program: "test")
    }
    #expect(try contents(scratch.path("a.h5")) == contents(scratch.path("b.h5")))
  }

  @Test(arguments: [ElementType.bfloat16, .float16])
  func otherTypesAreRoundedAndVerified(type: ElementType) throws {
    let scratch = try TemporaryFolder()
    let outcome = try Conversion(
      source: oracleFolder("olmoe-tiny"), destination: scratch.path("half.h5"), dtype: type, verifies: true
    ).run(program: "test")
    let files = try ModelFiles(opening: scratch.path("half.h5"))
    #expect(try files.inventory().allSatisfy { $0.type == type })
    #expect(outcome.bytes == 2 * files.configuration.parameterCount)
    #expect(outcome.verified == outcome.tensors)
  }

  /// Routing, recipe and state of a run go along between checkpoints; a folder without code cannot hold the limit.
  @Test func whatOnlyACheckpointHolds() throws {
    let scratch = try TemporaryFolder()
    let (source, copy) = (scratch.path("run.h5"), scratch.path("copy.h5"))
    let files = try ModelFiles(opening: oracleFolder("olmoe-tiny"))
    var extras = CheckpointExtras(files)
    let order = PlacementMethod.contiguous(experts: 8, devices: 4)
    extras.routing = RoutingSettings(
      placement: try Placement(
        modelType: "olmoe", experts: 8, devices: 4, layers: (0..<2).map { .init(layer: $0, expertDevice: order) }),
      policy: .router, deviceLimit: 1)
    extras.recipeYAML = "version: 1\n"
    extras.training = TrainingState(step: 7, tokens: 99, batchOrder: "abc", moments: [:])
    try CheckpointWriter.write(source, weights: files, extras: extras, program: "test")
    _ = try Conversion(source: source, destination: copy, dtype: .bfloat16).run(program: "test")
    #expect(try ModelFiles(opening: copy).routing == extras.routing)
    #expect(try HDF5Reader(copy).string("recipe_yaml") == "version: 1\n")
    #expect(try TrainingState(readingFrom: copy).step == 7)

    let export = Conversion(source: source, destination: scratch.path("folder"))
    let error = #expect(throws: ConversionError.self) { try export.run(program: "test") }
    #expect(
      error?.description
        == "\(scratch.path("folder")): expected a model without a device limit, found policy router with "
        + "a limit of 1 of 4 devices in \(source), which other programs do not know; try --with-code for a folder that "
        + "transformers runs under the limit, or --allow-unlimited for the weights alone")
    var allowed = export
    allowed.allowsUnlimited = true
    #expect(try allowed.run(program: "test").tensors > 0)
  }

  @Test func destinationsAreNotOverwrittenByChance() throws {
    let scratch = try TemporaryFolder()
    let file = try scratch.write("there.h5", [1, 2, 3])
    var conversion = Conversion(source: oracleFolder("olmoe-tiny"), destination: file)
    let error = #expect(throws: FolderError.self) { try conversion.run(program: "test") }
    #expect(
      error?.description
        == "\(file): expected a new name, found something there; try another name, or --overwrite")
    #expect(try contents(file) == [1, 2, 3])
    conversion.overwrites = true
    #expect(try conversion.run(program: "test").tensors > 0)
    conversion.source = scratch.path + "/../" + (scratch.path as NSString).lastPathComponent + "/there.h5"
    #expect(throws: ConversionError.samePlace(path: file)) { try conversion.run(program: "test") }
  }

  /// A checkpoint with one tensor missing, extra, mis-shaped, of another type or not finite.
  @Test func damagedCheckpointsAreNamed() throws {
    let scratch = try TemporaryFolder()
    let (good, bad) = (scratch.path("good.h5"), scratch.path("bad.h5"))
    _ = try Conversion(source: oracleFolder("olmoe-tiny"), destination: good).run(program: "test")
    let norm = "/model/norm/weight"
    let cases: [(edit: (inout Dataset) -> Void, extra: String?, text: String)] = [
      (
        { if $0.path == norm { $0.path = "" } }, nil,
        "\(bad): expected '\(norm)', found nothing of that name; try listing what the file holds"
      ),
      (
        { _ in }, "/model/layers/2/mlp/gate/weight",
        "\(bad) /model/layers/2/mlp/gate/weight: expected only tensors of olmoe as its configuration describes it, found "
          + "this one besides; try writing or fetching the file again"
      ),
      (
        { if $0.path == norm { ($0.shape, $0.bytes) = ([32], Array($0.bytes.prefix(128))) } }, nil,
        "\(bad) \(norm): expected shape [64], found [32]; try the file that belongs to this model"
      ),
      (
        { if $0.path == norm { $0.type = .int32 } }, nil,
        "\(bad) model.norm.weight: expected float32, bfloat16 or float16, found int32; try converting the file"
      ),
      (
        { if $0.path == norm { $0.bytes.replaceSubrange(12..<16, with: [0, 0, 192, 127]) } }, nil,
        "\(bad) model.norm.weight: expected finite numbers, found nan at element 3; try writing or fetching the file again"
      ),
    ]
    for (edit, extra, text) in cases {
      try copy(good, to: bad, extra: extra, edit)
      let error = #expect(throws: FileError.self) { try ModelFiles(opening: bad).model() }
      #expect(error?.description == text)
    }
  }

  private struct Dataset {
    var path: String
    var shape: [Int]
    var type: ElementType
    var bytes: [UInt8]
  }

  /// A checkpoint again, dataset by dataset, with a change in each.
  private func copy(_ source: String, to path: String, extra: String?, _ edit: (inout Dataset) -> Void) throws {
    let reader = try HDF5Reader(source)
    let writer = try HDF5Writer(creating: path)
    for name in try reader.datasets() where name != "/config_json" {
      let (info, bytes) = try reader.bytes(name)
      guard case .element(let type) = info.type else { continue }
      var dataset = Dataset(path: name, shape: info.shape, type: type, bytes: bytes)
      edit(&dataset)
      if dataset.path.isEmpty { continue }
      try writer.write(dataset.path, dataset.shape, dataset.type, dataset.bytes)
    }
    if let extra { try writer.write(extra, [1], .float32, [Float(1)]) }
    try writer.write("config_json", string: try reader.string("config_json"))
    for (name, value) in try reader.attributes() { try writer.setAttribute(name, value) }
    try writer.commit()
  }
}
