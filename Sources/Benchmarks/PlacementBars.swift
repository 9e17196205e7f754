import Foundation

/// What the rows of a placement benchmark say together.
public struct PlacementBars: Sendable, Equatable, Encodable {
  /// `refined` against the paper's greedy for one D.
  public struct Ratio: Sendable, Equatable, Encodable {
    /// D.
    public let devices: Int
    /// Layers that the means are over.
    public let layers: Int
    /// Geometric mean of held-out E[C_T], `refined` without a cap / `occult`.
    public let devicesPerToken: Double
    /// Geometric mean of the layer time, `refined` under a cap of 1.10 / `occult`.
    public let time: Double
  }

  /// One a D.
  public let ratios: [Ratio]
  /// Comparisons at equal imbalance, on all held-out tokens and on novel sets.
  public let compared: Int
  /// Those whose whole interval lies above 0.
  public let worse: Int

  /// Sums up.
  ///
  /// - Parameter rows: of any layers and numbers of devices; those of the null model are left out.
  public init(_ rows: [PlacementBenchmark.Row]) {
    let rows = rows.filter { !$0.nullModel }
    ratios = Set(rows.map(\.devices)).sorted().map { devices in
      func pick(_ method: String) -> [PlacementBenchmark.Row] {
        rows.filter { $0.devices == devices && $0.method == method }
      }
      func ratio(_ method: String, _ value: (PlacementBenchmark.Row) -> Double) -> Double {
        let pairs = zip(pick(method), pick("occult"))
        let sum = pairs.reduce(0.0) { $0 + log(value($1.0) / value($1.1)) }
        return exp(sum / Double(max(pick(method).count, 1)))
      }
      return Ratio(
        devices: devices, layers: pick("occult").count, devicesPerToken: ratio("refined", \.heldOut),
        time: ratio("refined capped", \.microseconds))
    }
    let intervals = rows.flatMap { [$0.refinedAtEqualImbalance, $0.refinedAtEqualImbalanceNovel] }.compactMap { $0 }
    compared = intervals.count
    worse = intervals.count { $0[1] > 0 }
  }
}
