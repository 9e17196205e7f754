import Checkpoint
import Foundation
import Tensors
import Testing

@testable import Models

/// Every family against transformers in float64: logits 1e-5, every gradient 1e-4 relative, as float32 arithmetic
/// allows.
@Suite struct FamilyOracleTests {
  static let variants = ["olmoe", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek", "deepseek_v2"].flatMap {
    [$0 + "-tiny", $0 + "-odd"]
  }

  @Test(arguments: variants) func everyIntermediateValue(variant: String) throws {
    let oracle = try Oracle(variant)
    let model = try oracle.model()
    let (batch, _) = try oracle.batch()
    let pass = model(batch, keepingHidden: true)
    for (index, hidden) in pass.hiddenStates.enumerated() {
      #expect(relativeError(hidden.elements, try oracle.floats("hidden/\(index)")) <= 1e-5, "hidden/\(index)")
    }
    #expect(relativeError(pass.hidden.elements, try oracle.floats("hidden/final_norm")) <= 1e-5)
    #expect(relativeError(model.logits(pass.hidden).elements, try oracle.floats("logits")) <= 1e-5)
    #expect(pass.routing.map(\.layer) == model.configuration.sparseLayers)
    for routing in pass.routing {
      let layer = routing.layer
      #expect(relativeError(routing.logits.elements, try oracle.floats("router_logits/\(layer)")) <= 1e-5)
      // Float32 probabilities are exact to about 1e-7, well below the smallest gap: choices must be equal.
      #expect(try oracle.floats("topk_gap/\(layer)")[0] > 1e-5)
      let sorted = sortedByExpert(routing)
      #expect(sorted.experts == (try oracle.integers("topk_index/\(layer)")))
      #expect(relativeError(sorted.weights, try oracle.floats("topk_weight/\(layer)")) <= 1e-5)
    }
  }

  @Test(arguments: variants) func lossesAndEveryGradient(variant: String) throws {
    let oracle = try Oracle(variant)
    var model = try oracle.model()
    model.train(Set(Role.allCases))
    let (batch, targets) = try oracle.batch()
    let pass = model(batch)
    let (sum, _, count) = model.crossEntropy(pass, targets: targets)
    let loss = sum * (1 / Float(count))
    let auxiliary = pass.auxiliaryLoss(.hf)
    let total = loss + auxiliary * Float(model.configuration.auxiliaryCoefficient)
    #expect(relativeError([loss.scalar], try oracle.floats("loss")) <= 1e-5)
    if model.configuration.auxiliaryCoefficient > 0 {
      #expect(relativeError([auxiliary.scalar], try oracle.floats("aux_loss")) <= 1e-5)
    }
    #expect(relativeError([total.scalar], try oracle.floats("loss_total")) <= 1e-5)
    for (group, value) in [("grad", loss), ("grad_total", total)] {
      let gradients = value.gradients()
      var parameters = 0
      try model.forEachParameter { path, tensor in
        let expected = try oracle.gradient(group, path.name, model.configuration)
        let found = try #require(gradients[tensor], "\(group)/\(path) has no gradient")
        #expect(relativeError(found.elements, expected) <= 1e-4, "\(group)/\(path)")
        parameters += 1
      }
      #expect(parameters == gradients.count)
    }
  }

  /// Blocks that are computed again: losses and routing keep their bits; gradients of the router's losses join those of
  /// its weights in another order, which leaves rounding.
  @Test(arguments: variants) func recomputedActivationsChangeNothing(variant: String) throws {
    var model = try Oracle(variant).model()
    model.train([.attention, .router, .sharedExperts, .norms])
    let (batch, targets) = try Oracle(variant).batch()
    func run(_ model: LanguageModel) -> (loss: Float, gradients: Gradients, routing: [LayerRouting]) {
      let pass = model(batch)
      let total = model.crossEntropy(pass, targets: targets).sum + pass.auxiliaryLoss(.hf) + pass.zLoss()
      return (total.scalar, total.gradients(), pass.routing)
    }
    let kept = run(model)
    model.recomputesActivations = true
    let again = run(model)
    #expect(again.loss == kept.loss && again.routing.map(\.used) == kept.routing.map(\.used))
    #expect(again.gradients.count == kept.gradients.count && kept.gradients.count > 0)
    model.forEachParameter { path, parameter in
      let expected = (kept.gradients[parameter]?.elements ?? []).map { Double($0) }
      #expect(relativeError(again.gradients[parameter]?.elements ?? [], expected) <= 2e-6, "\(path)")
    }
  }

  /// Values and router gradients of the per-layer balance loss and of the z-loss.
  @Test(arguments: variants) func balanceLosses(variant: String) throws {
    let oracle = try Oracle(variant)
    var model = try oracle.model()
    model.train(Set(Role.allCases))
    let (batch, _) = try oracle.batch()
    let pass = model(batch)
    var losses = [("switch", pass.auxiliaryLoss(.switchTransformer)), ("z", pass.zLoss())]
    // The reference adds layers up, as the published code does.
    if variant.hasPrefix("deepseek-") {
      losses.append(("sequence", pass.auxiliaryLoss(.sequence) * Float(pass.routing.count)))
    }
    for (name, loss) in losses {
      #expect(relativeError([loss.scalar], try oracle.floats("balance/\(name)/value")) <= 1e-5, "\(name)")
      let gradients = loss.gradients()
      for index in model.configuration.sparseLayers {
        let moe = try #require(model.layers[index].moe)
        let gradient = try #require(gradients[moe.gate.weight])
        let expected = try oracle.floats("balance/\(name)/grad/model.layers.\(index).mlp.gate.weight")
        #expect(relativeError(gradient.elements, expected) <= 1e-4, "\(name), layer \(index)")
      }
    }
  }

  private func sortedByExpert(_ routing: LayerRouting) -> (experts: [Int32], weights: [Float]) {
    let weights = routing.weights.elements
    let slots = stride(from: 0, to: routing.used.count, by: routing.k).flatMap { start in
      (start..<start + routing.k).sorted { routing.used[$0] < routing.used[$1] }
    }
    return (slots.map { routing.used[$0] }, slots.map { weights[$0] })
  }
}
