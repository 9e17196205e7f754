public import Profiles
public import Routing

/// What becomes of one placement when routing changes, as by fine-tuning.
public struct PlacementDrift: Sendable, Equatable, Encodable {
  /// One layer.
  public struct Layer: Sendable, Equatable, Encodable {
    /// Absolute layer number.
    public let layer: Int
    /// What the placement costs on the first profile, and on the second.
    public let before, after: CommunicationStatistics
    /// Rise of E[C_T], with a 95 % interval by document, or by block of 200 tokens where there are fewer than 8.
    public let change, low, high: Double
    /// Mean share of a token's experts that both profiles chose; `nil` unless they recorded the same tokens.
    public let sameExperts: Double?

    enum CodingKeys: String, CodingKey {
      case layer, before, after, change, low, high
      case sameExperts = "same_experts"
    }
  }

  /// One a layer, ascending.
  public let layers: [Layer]

  /// Judges a placement on two profiles.
  ///
  /// Profiles of the same text recorded in the same way have the same documents token by token: then differences are
  /// paired.
  ///
  /// - Parameters:
  ///   - placement: of the model that both profiles are of.
  ///   - before: the first profile.
  ///   - after: the second one.
  ///   - stepTokens: recorded tokens in a step.
  /// - Throws: ``ProfileMismatch``.
  public init(
    _ placement: Placement, before: CollaborationProfile, after: CollaborationProfile, stepTokens: Int = 1024
  ) throws(ProfileMismatch) {
    try ProfileMismatch.check(before, after)
    guard placement.experts == before.experts else {
      throw .placement(.model(file: "placement", expected: before.experts, found: placement.experts))
    }
    var layers: [Layer] = []
    for (first, second) in zip(before.layers, after.layers) {
      for layer in [first, second] where layer.recorded == 0 {
        throw .placement(.noRecordedSets(layer: layer.layer))
      }
      do {
        layers.append(
          Self.layer(
            first, second, try placement.expertDevice(layer: first.layer), devices: placement.devices, stepTokens))
      } catch {
        throw .placement(error)
      }
    }
    self.layers = layers
  }

  private static func layer(
    _ first: LayerProfile, _ second: LayerProfile, _ placement: [Int], devices: Int, _ stepTokens: Int
  ) -> Layer {
    func rows(_ layer: LayerProfile) -> [(sum: Double, count: Int)] {
      layer.units.map { (Double(layer.part([$0]).deviceRows(placement, devices: devices)), $0.count) }
    }
    let isPaired = first.documents == second.documents
    let difference: (mean: Double, margin: Double)
    if isPaired {
      let paired = UnitMean(zip(rows(first), rows(second)).map { ($1.sum - $0.sum, $0.count) })
      difference = (paired.mean, paired.margin)
    } else {
      let (old, new) = (UnitMean(rows(first)), UnitMean(rows(second)))
      difference = (new.mean - old.mean, (old.margin * old.margin + new.margin * new.margin).squareRoot())
    }
    func figures(_ layer: LayerProfile) -> CommunicationStatistics {
      CommunicationStatistics(layer, placement: placement, devices: devices, stepTokens: stepTokens)
    }
    return Layer(
      layer: first.layer, before: figures(first), after: figures(second), change: difference.mean,
      low: difference.mean - difference.margin, high: difference.mean + difference.margin,
      sameExperts: isPaired ? sameExperts(first, second) : nil)
  }

  /// Mean of |S ∩ S′| / k over tokens.
  private static func sameExperts(_ first: LayerProfile, _ second: LayerProfile) -> Double {
    let k = first.topK
    var same = 0
    for token in 0..<first.recorded {
      for slot in token * k..<(token + 1) * k where second.sets[token * k..<(token + 1) * k].contains(first.sets[slot])
      {
        same += 1
      }
    }
    return Double(same) / Double(first.sets.count)
  }
}
