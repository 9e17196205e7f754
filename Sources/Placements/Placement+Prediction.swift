extension Placement {
  /// Means over layers of what the profile promises; `nil` where a layer has no prediction.
  public var meanPrediction: Prediction? {
    let known = layers.compactMap(\.predicted)
    guard !known.isEmpty, known.count == layers.count else { return nil }
    return .mean(known)
  }
}
