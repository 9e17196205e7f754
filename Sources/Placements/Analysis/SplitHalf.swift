internal import Formats
internal import Profiles
internal import Routing

/// Whether two halves of a recording, by document, say the same.
public struct SplitHalf: Sendable, Equatable, Encodable {
  /// Documents, or blocks of 200 tokens, that were divided.
  public let units: Int
  /// Correlation of the halves' co-activation counts over pairs of experts; 0 where a half has none that differ.
  public let correlation: Double
  /// E[C_T] of contiguous groups, mean of both halves.
  public let contiguous: Double
  /// E[C_T] of placements on the half that they were fitted on, mean of both.
  public let inSample: Double
  /// E[C_T] of placements on the other half, mean of both.
  public let heldOut: Double

  /// Share of the gain over contiguous groups that is left on the other half; `nil` where nothing was gained.
  public var agreement: Double? {
    contiguous - inSample > 1e-9 ? (contiguous - heldOut) / (contiguous - inSample) : nil
  }

  enum CodingKeys: String, CodingKey {
    case units, correlation, contiguous, agreement
    case inSample = "in_sample"
    case heldOut = "held_out"
  }

  /// Writes the keys of `--json`.
  ///
  /// - Parameter encoder: any.
  /// - Throws: the encoder's own error.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(units, forKey: .units)
    try container.encode(correlation, forKey: .correlation)
    try container.encode(contiguous, forKey: .contiguous)
    try container.encode(inSample, forKey: .inSample)
    try container.encode(heldOut, forKey: .heldOut)
    try container.encode(agreement, forKey: .agreement)
  }

  /// Divides, fits and judges; `nil` where there is only one unit.
  ///
  /// - Parameters:
  ///   - layer: with recorded sets.
  ///   - options: how.
  /// - Throws: `PlacementError` where no placement can be fitted.
  init?(_ layer: LayerProfile, _ options: AnalysisOptions) throws(PlacementError) {
    var units = layer.units
    guard units.count > 1 else { return nil }
    self.units = units.count
    var generator = SplitMix64(seed: options.placement.seed, item: layer.layer)
    generator.shuffle(&units)
    let halves = [layer.part(units.prefix(units.count / 2)), layer.part(units.dropFirst(units.count / 2))]
    let plain = PlacementMethod.contiguous(experts: layer.experts, devices: options.devices)
    var (contiguous, inSample, heldOut) = (0.0, 0.0, 0.0)
    for (own, other) in [(halves[0], halves[1]), (halves[1], halves[0])] {
      let placement = try options.method.place(own, devices: options.devices, options: options.placement)
      contiguous += own.devicesPerToken(plain, devices: options.devices) / 2
      inSample += own.devicesPerToken(placement, devices: options.devices) / 2
      heldOut += other.devicesPerToken(placement, devices: options.devices) / 2
    }
    correlation = Self.correlation(halves[0], halves[1])
    (self.contiguous, self.inSample, self.heldOut) = (contiguous, inSample, heldOut)
  }

  /// Correlation of A over pairs i < j.
  static func correlation(_ a: LayerProfile, _ b: LayerProfile) -> Double {
    func pairs(_ layer: LayerProfile) -> [Double] {
      var counts: [Double] = []
      for i in 0..<layer.experts {
        for j in i + 1..<max(layer.experts, i + 1) { counts.append(Double(layer.coactivation[i * layer.experts + j])) }
      }
      let mean = counts.reduce(0, +) / Double(max(counts.count, 1))
      return counts.map { $0 - mean }
    }
    func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
    let (x, y) = (pairs(a), pairs(b))
    let norms = (dot(x, x) * dot(y, y)).squareRoot()
    return norms > 0 ? dot(x, y) / norms : 0
  }
}
