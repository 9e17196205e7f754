public import Profiles

/// What keeping a load cap costs where it leaves `refined` worse than contiguous groups, which need not keep it.
public struct LoadCapCost: Sendable, Equatable, Encodable {
  /// Numbers of the layers in which it is so.
  public let layers: [Int]
  /// Under the cap, mean over these layers.
  public let capped: Prediction
  /// Contiguous groups.
  public let contiguous: Prediction
  /// `refined` without a cap.
  public let uncapped: Prediction

  /// Looks for such layers, and searches them once more without a cap; nil where there is no such layer, or no cap.
  ///
  /// - Parameters:
  ///   - summary: Of a placement by `refined`.
  ///   - profile: What it was made from.
  ///   - options: How it was made, its cap among it.
  /// - Throws: `PlacementError`.
  public init?(
    _ summary: PlacementSummary, profile: CollaborationProfile, options: PlacementOptions
  ) throws(PlacementError) {
    guard summary.method == .refined, options.loadCap != nil else { return nil }
    let worse = summary.layers.filter { $0.predicted.devicesPerToken > $0.contiguous.devicesPerToken }
    if worse.isEmpty { return nil }
    var free = options
    free.loadCap = nil
    var found: [Prediction] = []
    for layer in profile.layers where worse.contains(where: { $0.layer == layer.layer }) {
      let placement = try PlacementMethod.refined.place(layer, devices: summary.devices, options: free)
      found.append(try Prediction(layer, placement: placement, devices: summary.devices))
    }
    layers = worse.compactMap(\.layer)
    capped = .mean(worse.map(\.predicted))
    contiguous = .mean(worse.map(\.contiguous))
    uncapped = .mean(found)
  }
}
