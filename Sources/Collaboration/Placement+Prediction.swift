extension Placement {
  /// Means over layers of what the profile promises; `nil` where a layer has no prediction.
  public var meanPrediction: Prediction? {
    let known = layers.compactMap(\.predicted)
    guard !known.isEmpty, known.count == layers.count else { return nil }
    func mean(_ value: (Prediction) -> Double) -> Double { known.reduce(0) { $0 + value($1) } / Double(known.count) }
    return Prediction(
      devicesPerToken: mean(\.devicesPerToken), remoteCopies: mean(\.remoteCopies), intraShare: mean(\.intraShare),
      imbalance: mean(\.imbalance))
  }
}
