internal import Profiles

extension LayerProfile {
  /// Σ C_T over recorded sets.
  func deviceRows(_ placement: [Int], devices: Int) -> Int {
    Prediction.deviceRows(sets, topK: topK, placement: placement, devices: devices)
  }

  /// E[C_T] over recorded sets.
  func devicesPerToken(_ placement: [Int], devices: Int) -> Double {
    recorded == 0 ? 0 : Double(deviceRows(placement, devices: devices)) / Double(recorded)
  }
}
