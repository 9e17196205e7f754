import Placements
import Routing
import Foundation
import Tensors
import Testing

@testable import Models

/// Weights of the experts used, and their gradients with respect to the router's logits, under every rule.
///
///     f(z) = Σ_t Σ_s c[used_ts] · w_ts(z)
///
/// The reference is the same formula in double precision with the choice held fixed; that the choice does not move near
/// z is checked, so its central differences are those of the whole rule.
@Suite struct RoutingGradientTests {
  static let (tokens, experts, k, devices) = (12, 16, 4, 4)

  private static func rule(_ policy: RoutingPolicy, _ source: WeightSource) throws -> RoutingRule {
    let similarity = (0..<experts * experts).map { Float(($0 * 7919) % 1009) / 1009 }
    let partners = (0..<experts).flatMap { expert in (1...6).map { Int32((expert + 2 * $0) % experts) } }
    return try RoutingRule(
      experts: experts, topK: k,
      placement: PlacementMethod.random(experts: experts, devices: devices, seed: 2, layer: 0),
      devices: devices, policy: policy, deviceLimit: 2,
      tables: PolicyTables(similarity: similarity, partners: partners, keptExperts: [1.5, 2.5, 3.5, 4]),
      weightSource: source, options: PolicyOptions(epsilon: 0.3, similarityThreshold: 0.6), seed: 5)
  }

  private static var logits: [Float] {
    (0..<tokens * experts).map { Float(($0 * 2_654_435_761) % 10_007) / 2_000 - 2.5 }
  }

  /// f in double precision, the choice of `routing` held fixed.
  private static func reference(
    _ z: [Double], _ routing: LayerRouting, _ renormalization: Renormalization, _ weighting: ExpertWeighting,
    frozen: [Double]
  ) -> Double {
    var f = 0.0
    for token in 0..<tokens {
      let row = z[token * experts..<(token + 1) * experts].map(exp)
      let p = row.map { $0 / row.reduce(0, +) }
      let slots = (token * k..<(token + 1) * k).filter { routing.used[$0] >= 0 }
      let used = slots.map { p[Int(routing.sources[$0])] }
      let kept = used.reduce(0, +)
      let whole = (token * k..<(token + 1) * k).reduce(0) { $0 + p[Int(routing.chosen[$1])] }
      let factor: Double =
        switch (weighting.normalizes, renormalization) {
        case (true, _): 1 / kept
        case (false, .model): 1
        case (false, .originalMass): whole / kept
        case (false, .originalMassDetached): frozen.isEmpty ? whole / kept : frozen[token]
        }
      for (slot, weight) in zip(slots, used) {
        f += coefficient(routing.used[slot]) * weight * factor * weighting.scale
      }
    }
    return f
  }

  /// Σ_S p / Σ_S′ p of each token.
  private static func factors(_ z: [Double], _ routing: LayerRouting) -> [Double] {
    (0..<tokens).map { token in
      let row = z[token * experts..<(token + 1) * experts].map(exp)
      let slots = token * k..<(token + 1) * k
      let whole = slots.reduce(0) { $0 + row[Int(routing.chosen[$1])] }
      return whole / slots.filter { routing.used[$0] >= 0 }.reduce(0) { $0 + row[Int(routing.sources[$1])] }
    }
  }

  private static func coefficient(_ expert: Int32) -> Double { sin(Double(expert) * 1.7) + 0.3 }

  @Test(arguments: RoutingPolicy.allCases, WeightSource.allCases)
  func gradientsAreExact(policy: RoutingPolicy, source: WeightSource) throws {
    let rule = try Self.rule(policy, source)
    let z = Self.logits
    for renormalization in Renormalization.allCases {
      for weighting in [ExpertWeighting(normalizes: false, scale: 1.5), ExpertWeighting(normalizes: true)] {
        func routing(_ z: [Float], tracked: Bool = false) -> (LayerRouting, Tensor) {
          let plain = Tensor(z, shape: [Self.tokens, Self.experts])
          let logits = tracked ? plain.tracked() : plain
          return (
            LayerRouting(
              layer: 0, logits: logits, rule: rule, renormalization: renormalization, weighting: weighting), logits
          )
        }
        let (found, logits) = routing(z, tracked: true)
        let name = "\(policy) \(source) \(renormalization) \(weighting.normalizes)"
        let coefficients = Tensor(
          found.used.map { $0 < 0 ? 0 : Float(Self.coefficient($0)) }, shape: [Self.tokens, Self.k])
        let f = (found.weights * coefficients).sum()
        let exact = z.map(Double.init)
        let frozen = Self.factors(exact, found)
        let expected = Self.reference(exact, found, renormalization, weighting, frozen: frozen)
        #expect(abs(Double(f.elements[0]) - expected) <= 1e-5 * abs(expected) + 1e-5, "\(name): value")
        let gradient = try #require(f.gradients()[logits]).elements
        for index in 0..<z.count {
          // The choice stands still within a step: the differences below are those of the rule.
          if index % 5 == 0 {
            var moved = z
            moved[index] += 1e-4
            let (near, _) = routing(moved)
            #expect(near.used == found.used && near.sources == found.sources, "\(name): a tie at \(index)")
          }
          var (up, down) = (exact, exact)
          up[index] += 1e-5
          down[index] -= 1e-5
          let slope =
            (Self.reference(up, found, renormalization, weighting, frozen: frozen)
              - Self.reference(down, found, renormalization, weighting, frozen: frozen)) / 2e-5
          #expect(abs(Double(gradient[index]) - slope) <= 2e-6 + 1e-5 * abs(slope), "\(name): logit \(index)")
        }
      }
    }
  }

  /// A token that keeps its choice weighs it as before, to the bit, and one under a limit keeps the mass it is asked to
  /// keep.
  @Test(arguments: RoutingPolicy.allCases) func massIsKept(policy: RoutingPolicy) throws {
    let rule = try Self.rule(policy, .own)
    let logits = Tensor(Self.logits, shape: [Self.tokens, Self.experts])
    let weighting = ExpertWeighting(normalizes: false)
    func routing(_ renormalization: Renormalization) -> LayerRouting {
      LayerRouting(layer: 0, logits: logits, rule: rule, renormalization: renormalization, weighting: weighting)
    }
    let (plain, scaled) = (routing(.model), routing(.originalMass))
    let masses = plain.chosenWeights.sum(axis: 1, keepingAxis: true).elements
    for (token, mass) in scaled.weights.sum(axis: 1, keepingAxis: true).elements.enumerated() {
      let slots = token * Self.k..<(token + 1) * Self.k
      #expect(abs(mass - masses[token]) <= 1e-6 * masses[token])
      if plain.used[slots] == plain.chosen[slots] {
        #expect(scaled.weights.elements[slots] == plain.weights.elements[slots])
      }
    }
  }
}
