public import Profiles

/// What an even load costs in traffic: `refined` under one load cap after the other.
public struct PlacementFrontier: Sendable, Equatable, Encodable {
  /// One cap.
  public struct Point: Sendable, Equatable, Encodable {
    /// Most max/mean load; `nil` for no cap.
    public let loadCap: Double?
    /// Means over layers.
    public let predicted: Prediction
    /// The largest imbalance of a layer.
    public let worstImbalance: Double

    private enum CodingKeys: String, CodingKey {
      case predicted
      case loadCap = "load_cap"
      case worstImbalance = "worst_imbalance"
    }
  }

  /// The caps tried, from even to free.
  public static let caps: [Double?] = [1.02, 1.05, 1.10, 1.20, 1.35, 1.50, 2.0, nil]

  /// One a cap, in the order of `caps`.
  public let points: [Point]

  /// Places all layers under every cap.
  ///
  /// - Parameters:
  ///   - profile: what the experts do.
  ///   - devices: D, a divisor of E.
  ///   - options: seed, slack, proposals; its cap is not used.
  /// - Throws: `PlacementError`.
  public init(_ profile: CollaborationProfile, devices: Int, options: PlacementOptions) throws(PlacementError) {
    var points: [Point] = []
    for cap in Self.caps {
      var options = options
      (options.loadCap, options.certify) = (cap, false)
      let placement = try Placement(profile, devices: devices, method: .refined, options: options)
      let predictions = placement.layers.compactMap(\.predicted)
      points.append(
        Point(
          loadCap: cap, predicted: .mean(predictions), worstImbalance: predictions.map(\.imbalance).max() ?? 1))
    }
    self.points = points
  }
}
