import Files
import Foundation
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// Every family's folder through HDF5 and back, in both layouts: names and bytes of all tensors, and the configuration.
@Suite struct FamilyFolderTests {
  static let variants = ModelFamily.supported.flatMap { [$0 + "-tiny", $0 + "-odd"] }

  private func tensors(_ folder: String) throws -> [String: [UInt8]] {
    let reader = try SafetensorsReader(folder)
    return Dictionary(
      uniqueKeysWithValues: try reader.names.map { ($0, Array(try reader.tensor(named: $0).bytes)) })
  }

  private func convert(
    _ source: String, _ destination: String, _ layout: HuggingFaceLayout = .perExpert, dtype: ElementType? = nil
  ) throws {
    _ = try Conversion(
      source: source, destination: destination, dtype: dtype, expertLayout: layout, maximumShardBytes: 200_000,
      verifies: true
    ).run(program: "test")
  }

  @Test(arguments: variants) func throughHDF5AndBack(variant: String) throws {
    let (scratch, original) = (try TemporaryFolder(), oracleFolder(variant))
    let (file, hub, fused) = (scratch.path("model.h5"), scratch.path("hub"), scratch.path("fused"))
    try convert(original, file)
    try convert(file, hub)
    #expect(try tensors(hub) == tensors(original))
    #expect(try contents(hub + "/config.json") == contents(original + "/config.json"))
    try convert(hub, fused, .fused)
    #expect(try SafetensorsReader(fused).names.contains { $0.hasSuffix(".mlp.experts.gate_up_proj") })
    try convert(fused, scratch.path("again.h5"))
    #expect(try contents(scratch.path("again.h5")) == contents(file))
  }

  /// Types of half the width keep their bits too.
  @Test(arguments: ModelFamily.supported, [ElementType.bfloat16, .float16])
  func narrowTypesKeepTheirBits(family: String, type: ElementType) throws {
    let scratch = try TemporaryFolder()
    let (narrow, back) = (scratch.path("narrow"), scratch.path("back"))
    try convert(oracleFolder(family + "-tiny"), narrow, dtype: type)
    try convert(narrow, scratch.path("model.h5"))
    try convert(scratch.path("model.h5"), back)
    #expect(try tensors(back) == tensors(narrow))
    #expect(try ModelFiles(opening: back).inventory().allSatisfy { $0.type == type })
  }

  /// A tensor that is not there is named as it would be called in the folder, a stranger as it is.
  @Test(arguments: ModelFamily.supported) func missingAndStrangers(family: String) throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path(family)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let source = try SafetensorsReader(oracleFolder(family + "-tiny"))
    let config = try contents(oracleFolder(family + "-tiny") + "/config.json")
    try Data(config).write(to: URL(fileURLWithPath: folder + "/config.json"))
    func message(without missing: String, with stranger: String? = nil) throws -> String {
      var declared = try source.names.filter { $0 != missing }.map { name in
        let tensor = try source.tensor(named: name)
        return SafetensorsWriter.Declaration(name: name, type: tensor.type, shape: tensor.shape)
      }
      if let stranger { declared.append(.init(name: stranger, type: .float32, shape: [1])) }
      var writer = try SafetensorsWriter(folder: folder, tensors: declared)
      for tensor in declared where tensor.name != stranger {
        try writer.write(tensor.name, try source.tensor(named: tensor.name).bytes)
      }
      if let stranger { try [Float(0)].withUnsafeBytes { try writer.write(stranger, $0) } }
      try writer.commit()
      let error = #expect(throws: FileError.self) { try ModelFiles(opening: folder).inventory() }
      return error?.description ?? ""
    }
    let expert = try #require(source.names.first { $0.contains("layers.1") && $0.contains(".experts.3.") })
    for name in [expert, "model.layers.1.self_attn.o_proj.weight", "model.norm.weight"] {
      #expect(try message(without: name).contains("expected '\(name)', found nothing of that name"), "\(name)")
    }
    #expect(
      try message(without: "", with: "model.layers.0.mlp.bias").contains("model.layers.0.mlp.bias: expected only"))
  }
}
