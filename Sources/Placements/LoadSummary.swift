public import Profiles

/// What loads alone say of a placement beside contiguous groups: how evenly work is spread.
///
/// Devices per token, copies and collaboration take recorded sets, which such a profile lacks.
public struct LoadSummary: Sendable, Equatable, Encodable {
  /// One layer, or the mean over layers.
  public struct Row: Sendable, Equatable, Encodable {
    /// Absolute layer number; nil for the mean.
    public let layer: Int?
    /// max/mean of Σ load per device.
    public let imbalance: Double
    /// The same of contiguous groups.
    public let contiguousImbalance: Double

    private enum CodingKeys: String, CodingKey {
      case layer, imbalance
      case contiguousImbalance = "contiguous_imbalance"
    }
  }

  /// How it was placed.
  public let method: PlacementMethod
  /// D.
  public let devices: Int
  /// One a layer, ascending.
  public let layers: [Row]
  /// Mean over layers.
  public let mean: Row

  /// Adds up loads.
  ///
  /// - Parameters:
  ///   - placement: Made from the profile.
  ///   - method: How it was made.
  ///   - profile: Its loads.
  /// - Throws: `PlacementError` where the placement lacks a layer.
  public init(
    _ placement: Placement, method: PlacementMethod, profile: CollaborationProfile
  ) throws(PlacementError) {
    let (devices, experts) = (placement.devices, profile.experts)
    let contiguous = PlacementMethod.contiguous(experts: experts, devices: devices)
    var rows: [Row] = []
    for layer in profile.layers {
      let placed = try placement.expertDevice(layer: layer.layer)
      rows.append(
        Row(
          layer: layer.layer, imbalance: Prediction.imbalance(layer.load, placement: placed, devices: devices),
          contiguousImbalance: Prediction.imbalance(layer.load, placement: contiguous, devices: devices)))
    }
    let count = Double(max(rows.count, 1))
    (self.method, self.devices, layers) = (method, devices, rows)
    mean = Row(
      layer: nil, imbalance: rows.reduce(0) { $0 + $1.imbalance } / count,
      contiguousImbalance: rows.reduce(0) { $0 + $1.contiguousImbalance } / count)
  }
}
