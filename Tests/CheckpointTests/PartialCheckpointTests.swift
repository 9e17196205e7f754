import Files
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Checkpoint

/// Checkpoints that hold what trained and leave the rest to their base model.
@Suite struct PartialCheckpointTests {
  /// A base model, and a partial checkpoint whose routers are another model's.
  private struct Pair {
    let scratch: TemporaryFolder
    let place: String
    let base: String
    let partial: String
    let trained: LanguageModel

    init(folder: Bool = false, without: [String] = [], besides: [ParameterPath] = []) throws {
      scratch = try TemporaryFolder()
      place = URL(fileURLWithPath: scratch.path).standardizedFileURL.path + "/"
      (base, partial) = (place + (folder ? "base" : "base.h5"), place + "step-1.h5")
      let configuration = try ModelFiles(opening: oracleFolder("olmoe-tiny")).configuration
      trained = ModelFamily.random(configuration, seed: 5)
      _ = try Conversion(source: oracleFolder("olmoe-tiny"), destination: base).run(program: "test")
      try write(
        try BaseReference(try ModelFiles(opening: base), stored: [.router]), without: without, besides: besides)
    }

    func write(_ reference: BaseReference, without: [String] = [], besides: [ParameterPath] = []) throws {
      var extras = CheckpointExtras(configuration: trained.configuration)
      extras.base = reference
      try CheckpointWriter.write(
        partial, weights: Edited(model: ModelBytes(trained), without: without, besides: besides), extras: extras,
        program: "test")
    }

    /// What loading the partial checkpoint says.
    func message() -> String? {
      failure { _ = try ModelFiles(opening: partial).model() }.map {
        "\($0)".replacing(place, with: "")
      }
    }
  }

  /// A model with parameters taken away, or passed off as of another role.
  private struct Edited: ParameterBytes {
    let model: ModelBytes
    let without: [String]
    let besides: [ParameterPath]

    func inventory() throws(FileError) -> [StoredParameter] {
      try model.inventory().filter { !without.contains($0.path.name) }.map { parameter in
        let path = besides.first { $0.name == parameter.path.name } ?? parameter.path
        return StoredParameter(path: path, shape: parameter.shape, type: parameter.type)
      }
    }

    func withBytes(
      _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
      guard let original = try model.inventory().first(where: { $0.path.name == parameter.path.name }) else { return }
      try model.withBytes(original, as: type, body)
    }
  }

  private func elements(_ model: LanguageModel) -> [String: [Float]] {
    var elements: [String: [Float]] = [:]
    model.forEachParameter { path, parameter in elements[path.name] = parameter.elements }
    return elements
  }

  @Test(arguments: [false, true]) func mergesWithItsBase(isFolder: Bool) throws {
    let pair = try Pair(folder: isFolder)
    let datasets = try HDF5Reader(pair.partial).datasets()
    #expect(datasets == ["/config_json", "/model/layers/0/mlp/gate/weight", "/model/layers/1/mlp/gate/weight"])

    let (base, trained) = (elements(try ModelFiles(opening: pair.base).model()), elements(pair.trained))
    let merged = base.merging(trained.filter { $0.key.hasSuffix("mlp.gate.weight") }) { $1 }
    #expect(merged != base && merged != trained)
    let files = try ModelFiles(opening: pair.partial)
    #expect(elements(try files.model()) == merged)

    let whole = pair.scratch.path("whole.h5")
    let outcome = try Conversion(source: pair.partial, destination: whole, verifies: true).run(program: "test")
    #expect(outcome.tensors == merged.count && outcome.verified == merged.count)
    let over = Conversion(source: pair.partial, destination: pair.base, overwrites: true)
    #expect(throws: ConversionError.samePlace(path: pair.base)) { try over.run(program: "test") }
    try FileManager.default.removeItem(atPath: pair.base)
    #expect(try ModelFiles(opening: whole).base == nil)
    #expect(elements(try ModelFiles(opening: whole).model()) == merged)
  }

  @Test func inspectionNamesTheBase() throws {
    let pair = try Pair()
    let facts = try Inspection(pair.partial).facts
    let reference = try #require(try ModelFiles(opening: pair.partial).base)
    #expect(reference.checksum == (try ModelFiles(opening: pair.base).checksum()))
    #expect(facts.contains(.init(name: "partial", value: "holds router alone, the rest is read from its base")))
    #expect(
      facts.contains(
        .init(
          name: "base",
          value: "\(pair.base), \(try contents(pair.base).count) bytes, \(BaseReference.words(reference.checksum))")))
    #expect(BaseReference.words(0xABC) == "CRC-32C 00000abc")
    #expect(try Inspection(pair.base).facts.allSatisfy { $0.name != "partial" })
  }

  private static let advice =
    "; try putting the model that the run began with back there; 'occult convert' merges both into a file that needs no "
    + "base, before a move"

  @Test func aBaseThatIsGoneOrChangedIsNamed() throws {
    let pair = try Pair()
    let size = try contents(pair.base).count
    let reference = try #require(try ModelFiles(opening: pair.partial).base)

    // Same size, other numbers: found before any of them is used, and by the merge as well.
    try CheckpointWriter.write(
      pair.base, weights: ModelBytes(pair.trained), extras: CheckpointExtras(try ModelFiles(opening: pair.base)),
      program: "test")
    #expect(try contents(pair.base).count == size)
    let other = try ModelFiles(opening: pair.base).checksum()
    #expect(
      pair.message()
        == "step-1.h5: expected its base model with \(BaseReference.words(reference.checksum)) at base.h5, "
        + "found one with \(BaseReference.words(other))" + Self.advice)
    let merge = Conversion(source: pair.partial, destination: pair.scratch.path("whole.h5"))
    #expect(throws: FileError.self) { try merge.run(program: "test") }
    #expect(!FileManager.default.fileExists(atPath: merge.destination))

    _ = try pair.scratch.write("base.h5", [1, 2, 3])
    #expect(
      pair.message() == "step-1.h5: expected its base model of \(size) bytes at base.h5, found one of 3" + Self.advice)
    try FileManager.default.removeItem(atPath: pair.base)
    #expect(
      pair.message() == "step-1.h5: expected its base model of \(size) bytes at base.h5, found nothing of that name"
        + Self.advice)
  }

  @Test func aPartialBaseIsRefused() throws {
    let pair = try Pair()
    // Its own base, at the size that it has: neither accepted nor followed for ever.
    for _ in 0..<2 {
      try pair.write(
        BaseReference(path: pair.partial, bytes: try contents(pair.partial).count, checksum: 0, stored: [.router]))
    }
    #expect(
      pair.message() == "step-1.h5: expected its base model that is complete at step-1.h5, found one that needs a base "
        + "itself" + Self.advice)
  }

  /// What is missing from the checkpoint is not quietly taken from the base, nor the other way round.
  @Test func everyTensorIsAccountedFor() throws {
    #expect(
      try Pair(without: ["model.layers.1.mlp.gate.weight"]).message() == "step-1.h5: expected "
        + "'/model/layers/1/mlp/gate/weight', found nothing of that name; try '/model/layers/0/mlp/gate/weight', the "
        + "nearest name in the file")
    #expect(
      try Pair(besides: [ParameterPath("model.norm.weight", role: .router)]).message()
        == "step-1.h5 /model/norm/weight: "
        + "expected only tensors of olmoe as its configuration describes it, found this one besides; try writing or "
        + "fetching the file again")
  }
}
