public import Profiles
internal import Routing

/// What a placement will cost, on the text of a profile.
///
/// Homes are `expected`. Loads are those of the whole profile, taken as one step: real steps are shorter and less even.
public struct Prediction: Sendable, Equatable, Codable {
  /// E[C_T] over recorded sets.
  public let devicesPerToken: Double
  /// C_T·(D−1)/D.
  public let remoteCopies: Double
  /// Σ A on one device / Σ A.
  public let intraShare: Double
  /// max/mean of Σ load per device.
  public let imbalance: Double

  enum CodingKeys: String, CodingKey {
    case imbalance
    case devicesPerToken = "devices_per_token"
    case remoteCopies = "remote_copies"
    case intraShare = "intra_share"
  }

  /// From figures already at hand.
  ///
  /// - Parameters:
  ///   - devicesPerToken: E[C_T].
  ///   - remoteCopies: rows on the wire per token.
  ///   - intraShare: share of collaboration on one device.
  ///   - imbalance: max/mean load.
  public init(devicesPerToken: Double, remoteCopies: Double, intraShare: Double, imbalance: Double) {
    self.devicesPerToken = devicesPerToken
    self.remoteCopies = remoteCopies
    self.intraShare = intraShare
    self.imbalance = imbalance
  }

  /// The same as below; `nil` where the profile has no recorded sets.
  init?(known profile: LayerProfile, placement: [Int], devices: Int) throws(PlacementError) {
    if profile.recorded == 0 { return nil }
    try self.init(profile, placement: placement, devices: devices)
  }

  /// Counts a placement on a profile.
  ///
  /// - Parameters:
  ///   - profile: a layer with recorded sets.
  ///   - placement: π, expert → device.
  ///   - devices: D.
  /// - Throws: `PlacementError.noRecordedSets`.
  public init(_ profile: LayerProfile, placement: [Int], devices: Int) throws(PlacementError) {
    guard profile.recorded > 0 else { throw .noRecordedSets(layer: profile.layer) }
    let hits = Self.deviceRows(profile.sets, topK: profile.topK, placement: placement, devices: devices)
    devicesPerToken = Double(hits) / Double(profile.recorded)
    remoteCopies = devicesPerToken * Double(devices - 1) / Double(devices)
    var (intra, all): (Int64, Int64) = (0, 0)
    for i in 0..<profile.experts {
      for j in i + 1..<max(profile.experts, i + 1) {
        let count = profile.coactivation[i * profile.experts + j]
        all += count
        if placement[i] == placement[j] { intra += count }
      }
    }
    intraShare = all == 0 ? 0 : Double(intra) / Double(all)
    imbalance = Self.imbalance(profile.load, placement: placement, devices: devices)
  }

  /// max/mean of Σ load per device, which loads alone tell.
  static func imbalance(_ load: [Int64], placement: [Int], devices: Int) -> Double {
    let loads = loads(load, placement: placement, devices: devices)
    return CommunicationCounter.LayerTotals.imbalance(loads.map(Int.init)) ?? 1
  }

  /// Σ C_T over recorded sets, by plain counting.
  static func deviceRows(_ sets: [Int32], topK: Int, placement: [Int], devices: Int) -> Int {
    var lastToken = [Int](repeating: -1, count: devices)
    var rows = 0
    for (slot, expert) in sets.enumerated() {
      let device = placement[Int(expert)]
      if lastToken[device] != slot / topK {
        lastToken[device] = slot / topK
        rows += 1
      }
    }
    return rows
  }

  /// Σ load per device.
  static func loads(_ load: [Int64], placement: [Int], devices: Int) -> [Int64] {
    var loads = [Int64](repeating: 0, count: devices)
    for (expert, device) in placement.enumerated() { loads[device] += load[expert] }
    return loads
  }
}
