import Files
import Models
import TestSupport
import Testing

@testable import Checkpoint

/// Names and bytes of what is written, for a family whose hub names differ from the module tree's.
@Suite struct HubWritingTests {
  /// Parameters of given shapes, numbered through, handed out in pieces of one entry.
  private struct Numbered: ParameterBytes {
    let shapes: [(String, [Int])]

    func inventory() throws(FileError) -> [StoredParameter] {
      shapes.map { StoredParameter(path: ParameterPath($0.0), shape: $0.1, type: .float32) }
    }

    func withBytes(
      _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
      let width = parameter.count / parameter.shape[0]
      for row in 0..<parameter.shape[0] {
        try (0..<width).map { Float(row * width + $0) }.withUnsafeBufferPointer { (floats) throws(FileError) in
          try body(UnsafeRawBufferPointer(floats))
        }
      }
    }
  }

  private static let weights = Numbered(shapes: [
    ("model.layers.0.mlp.gate.weight", [2, 2]), ("model.layers.0.mlp.experts.gate_up_proj", [2, 6, 2]),
    ("model.layers.0.mlp.experts.down_proj", [2, 2, 3]),
  ])

  private func extras() throws -> CheckpointExtras {
    var extras = CheckpointExtras(
      configuration: try OLMoE.configuration(
        layers: 1, hidden: 4, heads: 2, experts: 2, intermediate: 3, topK: 1, vocabulary: 8, context: 8))
    extras.modelType = "mixtral"
    return extras
  }

  @Test func mixtralGetsItsHubNamesBack() throws {
    let scratch = try TemporaryFolder()
    try HuggingFaceWriter.write(
      scratch.path("hub"), weights: Self.weights, maximumShardBytes: 60, extras: try extras())
    let hub = try SafetensorsReader(scratch.path("hub"))
    let block = "model.layers.0.block_sparse_moe."
    let expected: [(String, [Int], ClosedRange<Int>)] = [
      ("experts.0.w1", [3, 2], 0...5), ("experts.0.w2", [2, 3], 0...5), ("experts.0.w3", [3, 2], 6...11),
      ("experts.1.w1", [3, 2], 12...17), ("experts.1.w2", [2, 3], 6...11), ("experts.1.w3", [3, 2], 18...23),
      ("gate", [2, 2], 0...3),
    ]
    #expect(hub.names == expected.map { block + $0.0 + ".weight" })
    for (name, shape, numbers) in expected {
      let tensor = try hub.tensor(named: block + name + ".weight")
      #expect(tensor.shape == shape)
      #expect(values(Array(tensor.bytes), as: Float.self) == numbers.map { Float($0) }, "\(name)")
    }
  }

  @Test func fusedNamesAreThoseOfTransformers5() throws {
    let scratch = try TemporaryFolder()
    try HuggingFaceWriter.write(scratch.path("fused"), weights: Self.weights, layout: .fused, extras: try extras())
    let fused = try SafetensorsReader(scratch.path("fused"))
    #expect(fused.names.sorted() == Self.weights.shapes.map(\.0).sorted())
    let stack = try fused.tensor(named: "model.layers.0.mlp.experts.gate_up_proj")
    #expect(values(Array(stack.bytes), as: Float.self) == (0..<24).map { Float($0) })
  }

  /// A number that the narrower type cannot hold is an error, never infinity.
  @Test func overflowIsAnError() throws {
    let scratch = try TemporaryFolder()
    var tensors = try HubTensor.all(in: oracleFolder("olmoe-odd"))
    let place = try #require(tensors.firstIndex { $0.name == "model.norm.weight" })
    tensors[place].bytes.replaceSubrange(20..<24, with: bytes([Float(70_000)]))
    try HubTensor.write(
      tensors, to: scratch.path("big"), config: try TextFile.read(oracleFolder("olmoe-odd") + "/config.json"))
    var conversion = Conversion(source: scratch.path("big"), destination: scratch.path("half.h5"), dtype: .float16)
    #expect(
      failure { _ = try conversion.run(program: "test") }?.description
        == "\(scratch.path("big")) model.norm.weight: expected numbers in the range of float16, found a larger one at "
        + "element 5; try writing or fetching the file again")
    #expect(try scratch.files == ["big"])
    conversion.dtype = .bfloat16
    #expect(try conversion.run(program: "test").tensors > 0)
  }
}
