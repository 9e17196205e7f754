/// What each limit costs and saves in one layer, all others left alone.
public struct LimitCurve: Sendable, Equatable {
  /// One limit.
  public struct Point: Sendable, Equatable {
    /// L.
    public let limit: Int
    /// Loss in nats per token with this limit in this layer alone.
    public let loss: Double
    /// E[C_T] of the layer under it.
    public let devices: Double

    /// A measurement.
    public init(limit: Int, loss: Double, devices: Double) {
      (self.limit, self.loss, self.devices) = (limit, loss, devices)
    }
  }

  /// Absolute layer number.
  public let layer: Int
  /// By rising limit; the last is D, no limit.
  public let points: [Point]

  /// A layer's measurements.
  public init(layer: Int, points: [Point]) {
    precondition(!points.isEmpty, "LimitCurve: layer \(layer) has no point")
    self.layer = layer
    self.points = points.sorted { $0.limit < $1.limit }
  }
}

/// Limits for all layers within a budget of devices, spent where loss suffers most.
///
/// A knapsack, greedily: from no limit, the step down that adds the least loss per device saved, until the mean E[C_T]
/// is within the budget; then what is left over is spent on the step up that wins the most per device and still fits.
/// Increases of loss are added up over layers, which is an approximation: they are measured one layer at a time.
public struct LimitAllocation: Sendable, Equatable {
  /// L of each layer, in the order of the curves.
  public let limits: [Int]
  /// Mean E[C_T] over layers, as measured one by one.
  public let devices: Double
  /// Sum of the increases of loss.
  public let increase: Double

  /// Spends a budget.
  ///
  /// - Parameters:
  ///   - curves: One for each layer.
  ///   - budget: Largest mean E[C_T] over layers.
  /// - Throws: ``RoutingError/budget(_:least:)`` where even the smallest limits take more.
  public init(_ curves: [LimitCurve], budget: Double) throws(RoutingError) {
    precondition(!curves.isEmpty, "LimitAllocation: no layer")
    let layers = Double(curves.count)
    var chosen = curves.map { $0.points.count - 1 }
    func mean() -> Double { zip(curves, chosen).reduce(0) { $0 + $1.0.points[$1.1].devices } / layers }
    func change(_ layer: Int, _ point: Int) -> (loss: Double, devices: Double) {
      let (from, to) = (curves[layer].points[chosen[layer]], curves[layer].points[point])
      return (to.loss - from.loss, to.devices - from.devices)
    }
    // Sums of means differ in their last bits with the order of layers.
    let enough = budget + 1e-9
    while mean() > enough {
      var best: (rate: Double, layer: Int, point: Int)?
      for layer in curves.indices {
        for point in (0..<chosen[layer]).reversed() {
          let step = change(layer, point)
          guard step.devices < 0 else { continue }
          let rate = step.loss / -step.devices
          if rate < best?.rate ?? .infinity { best = (rate, layer, point) }
        }
      }
      guard let best else { throw .budget(budget, least: mean()) }
      chosen[best.layer] = best.point
    }
    while true {
      var best: (rate: Double, layer: Int, point: Int)?
      for layer in curves.indices {
        for point in chosen[layer] + 1..<max(curves[layer].points.count, chosen[layer] + 1) {
          let step = change(layer, point)
          guard step.loss < 0, mean() + step.devices / layers <= enough else { continue }
          let rate = step.devices > 0 ? -step.loss / step.devices : .infinity
          if rate > best?.rate ?? 0 { best = (rate, layer, point) }
        }
      }
      guard let best else { break }
      chosen[best.layer] = best.point
    }
    limits = zip(curves, chosen).map { $0.points[$1].limit }
    devices = mean()
    increase = zip(curves, chosen).reduce(0) { sum, entry in
      let points = entry.0.points
      return sum + points[entry.1].loss - points[points.count - 1].loss
    }
  }
}
