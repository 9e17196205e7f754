public import Profiles

extension Placement {
  /// How far a layer's placement can be from the best one, at most.
  public struct Certificate: Sendable, Equatable, Codable {
    /// No placement under the same group sizes and load cap has a smaller E[C_T] on the recorded sets.
    public let lowerBound: Double
    /// 1 − lower bound / E[C_T].
    public let gap: Double
    /// How the bound was found.
    public let method: String

    enum CodingKeys: String, CodingKey {
      case gap, method
      case lowerBound = "lower_bound"
    }

    /// From figures already at hand.
    ///
    /// - Parameters:
    ///   - lowerBound: of E[C_T].
    ///   - gap: 1 − lower bound / E[C_T].
    ///   - method: how the bound was found.
    public init(lowerBound: Double, gap: Double, method: String) {
      self.lowerBound = lowerBound
      self.gap = gap
      self.method = method
    }

    /// Bounds a layer's E[C_T]; see `PlacementBound`.
    ///
    /// - Parameters:
    ///   - profile: the layer.
    ///   - placement: π, expert → device.
    ///   - devices: D.
    ///   - options: the load cap and slack that hold for it.
    public init(_ profile: LayerProfile, placement: [Int], devices: Int, options: PlacementOptions) {
      let sets = DistinctSets(experts: profile.experts, topK: profile.topK, sets: profile.sets)
      let bound = PlacementBound(
        sets, load: profile.load, devices: devices,
        cap: Refinement.cap(load: profile.load, devices: devices, options: options),
        room: profile.experts / devices + options.slack)
      let least = bound.best(from: placement, iterations: PlacementBound.iterations(experts: profile.experts))
      let rows = Prediction.deviceRows(sets, placement: placement, devices: devices)
      lowerBound = least / Double(max(sets.total, 1))
      gap = rows == 0 ? 0 : max(0, 1 - least / Double(rows))
      method = "tangents over subsets with projected eigenvalues"
    }
  }
}
