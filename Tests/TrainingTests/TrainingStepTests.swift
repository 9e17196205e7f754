import Checkpoint
import Foundation
import Models
import Tensors
import Testing
import Text

@testable import Training

@Suite struct TrainingStepTests {
  static let oracles =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/ModelsTests/Oracles/"
  static let variants = ["olmoe", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek", "deepseek_v2"].flatMap {
    [$0 + "-tiny", $0 + "-odd"]
  }

  private struct TenSteps: Decodable { let losses: [Double] }

  static func oracleBatch(_ folder: String) throws -> Batch {
    let file = try HDF5Reader(folder + "/oracle.h5")
    func integers(_ name: String) throws -> [Int32] {
      let (info, bytes) = try file.bytes(name)
      return bytes.withUnsafeBytes { raw in
        info.type == .element(.int64)
          ? raw.bindMemory(to: Int64.self).map(Int32.init) : Array(raw.bindMemory(to: Int32.self))
      }
    }
    let shape = try file.info("input_ids").shape
    let (ids, labels) = (try integers("input_ids"), try integers("labels"))
    return Batch(
      sequences: (0..<shape[0]).map { row in
        let range = row * shape[1]..<(row + 1) * shape[1]
        return [
          TokenizedDocument(
            tokens: Array(ids[range]), hasLoss: labels[range].map { $0 != -100 }, id: row, source: "oracle")
        ]
      })
  }

  /// transformers with PyTorch's AdamW in float64: make_models.py.
  @Test(arguments: variants) func tenStepsAsInTransformers(variant: String) throws {
    let folder = Self.oracles + variant
    let expected = try JSONDecoder().decode(
      TenSteps.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/ten_steps.json"))
    ).losses
    #expect(expected.count == 11)
    let batch = try Self.oracleBatch(folder)
    var model = try ModelFiles(opening: folder).model()
    model.train(Set(Role.allCases))
    var optimizer = AdamW(learningRate: 1e-3, betas: (0.9, 0.95), epsilon: 1e-8, weightDecay: 0.1)
    let step = TrainingStep(
      terms: LossTerms(auxiliary: .hf, auxiliaryCoefficient: model.configuration.auxiliaryCoefficient))
    for (index, loss) in expected.enumerated() {
      let (losses, gradients) = try step(model, [batch], step: index + 1)
      #expect(abs(losses.total - loss) <= 1e-4, "step \(index)")
      optimizer.update(&model, gradients)
    }
  }

  /// Divided by the predicted tokens of all parts together, so unequal parts weigh as in one batch.
  @Test(arguments: [2, 4]) func accumulatedGradientEqualsThatOfOneBatch(parts: Int) throws {
    let documents = TinyRun.documents(12)
    var model = try TinyRun().base.model()
    model.train(Set(Role.allCases))
    let whole = try TrainingStep(terms: LossTerms())(model, [Batch(sequences: documents.map { [$0] })], step: 1)
    let size = documents.count / parts
    let pieces = (0..<parts).map { part in
      Batch(sequences: documents[part * size..<(part + 1) * size].map { [$0] })
    }
    #expect(Set(pieces.map(\.lossTokens)).count > 1)
    let split = try TrainingStep(terms: LossTerms())(model, pieces, step: 1)
    #expect(abs(whole.losses.crossEntropy - split.losses.crossEntropy) <= 1e-5)
    #expect(whole.losses.targets == split.losses.targets)
    model.forEachParameter { path, parameter in
      let (a, b) = (split.gradients[parameter]?.elements ?? [], whole.gradients[parameter]?.elements ?? [.nan])
      let error = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }.squareRoot()
      let norm = b.reduce(0.0) { $0 + pow(Double($1), 2) }.squareRoot()
      #expect(a.count == b.count && error <= 1e-5 * norm, "\(path): \(error) of \(norm)")
    }
  }

  /// Block-diagonal attention and reset positions: a document's loss does not depend on its neighbours.
  @Test func packedDocumentsHaveTheLossOfSeparateOnes() throws {
    let documents = TinyRun.documents(6)
    let model = try TinyRun().base.model()
    func losses(_ groups: [[TokenizedDocument]]) -> [[Float]] {
      let batch = Batch(sequences: groups)
      let pass = model(TokenBatch(tokens: batch.tokens, segments: batch.segments))
      let all = model.crossEntropy(pass, targets: batch.targets).losses
      return batch.segments.map { all[$0].filter(\.isFinite) }
    }
    let packed = losses([documents])
    for (index, document) in documents.enumerated() {
      let alone = losses([[document]])[0]
      #expect(packed[index].count == document.lossTokens && alone.count == document.lossTokens)
      for (a, b) in zip(packed[index], alone) { #expect(abs(a - b) <= 1e-5) }
    }
  }

  @Test func aBrokenWeightIsNamed() throws {
    let name = "model.layers.1.mlp.experts.down_proj"
    var model = try TinyRun().base.model()
    model.updateParameters { path, parameter in
      guard path.name == name else { return }
      var elements = parameter.elements
      for index in elements.indices { elements[index] = .nan }
      parameter = Tensor(elements, shape: parameter.shape)
    }
    model.train(Set(Role.allCases))
    #expect {
      try TrainingStep(terms: LossTerms())(model, [Batch(sequences: [TinyRun.documents(3)])], step: 7)
    } throws: { error in
      guard case .loss(7, "cross-entropy", _, name)? = error as? TrainingError else { return false }
      return "\(error)".hasPrefix("step 7: cross-entropy: expected a finite loss, found ")
    }
  }

  @Test func theRouterHasItsOwnLearningRate() throws {
    var model = try TinyRun().base.model()
    model.train([.experts, .router])
    let before = bits(model)
    let (_, gradients) = try TrainingStep(terms: LossTerms())(
      model, [Batch(sequences: [TinyRun.documents(3)])], step: 1)
    var optimizer = AdamW(learningRate: 1e-3)
    optimizer.routerLearningRate = 0
    optimizer.update(&model, gradients)
    for (name, after) in bits(model) {
      #expect((after != before[name]) == name.contains("experts"), "\(name)")
    }
    #expect(optimizer.moments.count == 6)
  }
}
