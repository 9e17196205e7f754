public import Profiles
internal import Routing

/// A placement's predictions beside those of another one on the same profile: what placing gains.
public struct PlacementSummary: Sendable, Equatable, Encodable {
  /// One layer, or the mean over layers.
  public struct Row: Sendable, Equatable, Encodable {
    /// Absolute layer number; nil for the mean.
    public let layer: Int?
    /// Of the placement.
    public let predicted: Prediction
    /// Of contiguous groups.
    public let contiguous: Prediction
    /// How far it can be from the best; of the mean, from the means of lower bounds.
    public let certificate: Placement.Certificate?
  }

  /// How it was placed.
  public let method: PlacementMethod
  /// D.
  public let devices: Int
  /// Swaps that `refined` proposed in each layer, with which it can be repeated; `nil` for its default.
  public let proposals: Int?
  /// E[C_T] of a uniformly random choice.
  public let randomChoice: Double
  /// One a layer, ascending.
  public let layers: [Row]
  /// Mean over layers.
  public let mean: Row

  private enum CodingKeys: String, CodingKey {
    case method, devices, proposals, layers, mean
    case randomChoice = "random_choice_devices_per_token"
  }

  /// Predicts contiguous groups as well, and averages.
  ///
  /// - Parameters:
  ///   - placement: Made from the profile, with predictions.
  ///   - method: How it was made.
  ///   - profile: What the experts do.
  ///   - proposals: With which it was made.
  /// - Throws: `PlacementError` where the profile has no recorded sets.
  public init(
    _ placement: Placement, method: PlacementMethod, profile: CollaborationProfile, proposals: Int? = nil
  ) throws(PlacementError) {
    var rows: [Row] = []
    let contiguous = PlacementMethod.contiguous(experts: profile.experts, devices: placement.devices)
    for layer in profile.layers {
      let devices = try placement.expertDevice(layer: layer.layer)
      rows.append(
        Row(
          layer: layer.layer, predicted: try Prediction(layer, placement: devices, devices: placement.devices),
          contiguous: try Prediction(layer, placement: contiguous, devices: placement.devices),
          certificate: placement.layers.first { $0.layer == layer.layer }?.certificate))
    }
    self.method = method
    self.proposals = proposals
    devices = placement.devices
    randomChoice = RandomExpectation.devicesPerToken(
      experts: profile.experts, topK: profile.topK, devices: placement.devices)
    layers = rows
    let predicted = Prediction.mean(rows.map(\.predicted))
    mean = Row(
      layer: nil, predicted: predicted, contiguous: .mean(rows.map(\.contiguous)),
      certificate: Placement.Certificate(mean: rows.compactMap(\.certificate), of: predicted))
  }
}

extension Prediction {
  /// The mean of predictions, each counted alike.
  static func mean(_ predictions: [Prediction]) -> Prediction {
    let count = Double(max(predictions.count, 1))
    func mean(_ value: (Prediction) -> Double) -> Double { predictions.reduce(0) { $0 + value($1) } / count }
    return Prediction(
      devicesPerToken: mean(\.devicesPerToken), remoteCopies: mean(\.remoteCopies), intraShare: mean(\.intraShare),
      imbalance: mean(\.imbalance))
  }
}

extension Placement.Certificate {
  /// The mean bound of layers beside their mean E[C_T]; `nil` for none.
  init?(mean certificates: [Self], of predicted: Prediction) {
    guard let first = certificates.first else { return nil }
    let bound = certificates.reduce(0) { $0 + $1.lowerBound } / Double(certificates.count)
    self.init(lowerBound: bound, gap: max(0, 1 - bound / predicted.devicesPerToken), method: first.method)
  }
}
