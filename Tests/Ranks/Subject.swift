import Formats
import Placements
import Routing
import ExpertParallel
import Models
import Tensors

/// Models, text and placements that cases are about.
struct Subject {
  let devices: Int
  let configuration: ModelConfiguration

  init(devices: Int) throws {
    self.devices = devices
    configuration = try OLMoE.configuration(
      layers: 2, hidden: 32, heads: 4, experts: 16, intermediate: 24, topK: 4, vocabulary: 64, context: 64)
  }

  /// A random model whose routers decide clearly.
  func model(_ seed: UInt64) -> LanguageModel {
    var model = ModelFamily.random(configuration, seed: seed)
    for index in model.layers.indices {
      guard let weight = model.layers[index].moe?.gate.weight else { continue }
      model.layers[index].moe?.gate.weight = weight * 12
    }
    return model
  }

  func tokens(_ lengths: [Int], seed: UInt64) -> [[Int32]] {
    var generator = SplitMix64(seed: seed)
    return lengths.map { length in (0..<length).map { _ in Int32(generator.below(64)) } }
  }

  func placement(_ kind: String) throws -> Placement {
    let base = (0..<16).map { $0 * devices / 16 }
    let expertDevice =
      switch kind {
      case "reversed": base.reversed().map { $0 }
      case "striped": (0..<16).map { $0 % devices }
      default: base
      }
    return try Placement(
      modelType: "olmoe", experts: 16, devices: devices,
      layers: configuration.sparseLayers.map { .init(layer: $0, expertDevice: expertDevice) })
  }

  /// The rule of a case, with tables from a profile of the model where it needs them.
  func settings(_ test: Case, _ placement: Placement, _ model: LanguageModel) throws -> RoutingSettings {
    let settings = RoutingSettings(placement: placement, policy: test.policy, deviceLimit: test.limit)
    guard test.policy.needsTables else { return settings }
    let text = tokens([40, 30, 50], seed: 99).enumerated().map { (id: $0.offset, tokens: $0.element) }
    return try settings.tabled(try ModelProfiler(model, outputSimilarityTokens: 60).profile(text, data: "random"))
  }

  /// Gives a model adapters that are not zero, on some experts.
  func adapt(_ model: inout LanguageModel, _ experts: [Int]) {
    let stacks = configuration.sparseLayers.map { ("model.layers.\($0).mlp.experts", experts) }
    model.attach(
      AdapterSettings(
        roles: [.experts: .init(rank: 2, alpha: 4)], experts: Dictionary(uniqueKeysWithValues: stacks)), seed: 5)
    var generator = SplitMix64(seed: 6)
    model.updateParameters { path, tensor in
      guard path.isAdapter else { return }
      tensor = Tensor((0..<tensor.count).map { _ in Float(generator.uniform() - 0.5) / 2 }, shape: tensor.shape)
    }
  }

  /// Loss and gradients of a batch, of which this process has the sequences in `batch`.
  func step(
    _ model: LanguageModel, _ batch: [[Int32]], firstTokens: [Int]? = nil, targets count: Int,
    _ auxiliary: AuxiliaryLoss, _ reduction: (any BatchReduction)?
  ) -> (loss: Double, gradients: Gradients, pass: ForwardPass) {
    let sequences = TokenBatch(sequences: batch)
    let pass = model(
      TokenBatch(tokens: sequences.tokens, segments: sequences.segments, firstTokens: firstTokens))
    let targets = batch.flatMap { $0.dropFirst() + (($0.isEmpty ? [] : [-100]) as [Int32]) }
    let loss =
      model.crossEntropy(pass, targets: targets).sum * Float(1 / Double(count))
      + pass.auxiliaryLoss(auxiliary, over: reduction) * 0.01 + pass.zLoss(over: reduction) * 0.001
    return (Double(loss.scalar), loss.gradients(), pass)
  }
}

/// The least distance between the k-th and the (k+1)-th probability.
func margin(_ pass: ForwardPass) -> Float {
  var least = Float.infinity
  for layer in pass.routing {
    let (p, experts) = (layer.probabilities.elements, layer.probabilities.columns)
    for token in 0..<layer.probabilities.rows {
      let row = p[token * experts..<(token + 1) * experts].sorted(by: >)
      least = min(least, row[layer.k - 1] - row[layer.k])
    }
  }
  return least
}

/// The larger error; NaN is the largest.
func worse(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }

/// max |a − b| / max |b|; NaN where any element is.
func difference(_ a: Tensor, _ b: Tensor) -> Double {
  precondition(a.shape == b.shape, "difference: \(a.shape) against \(b.shape)")
  let (a, b) = (a.elements, b.elements)
  let scale = b.reduce(0) { max($0, abs($1)) }
  let error = zip(a, b).reduce(0.0) { worse($0, Double(abs($1.0 - $1.1))) }
  return error / Double(max(scale, 1e-6))
}
