public import Placements
public import Models

/// Shows on text that moving experts to their devices leaves a model's function unchanged.
public enum PlacementProof {
  /// Moves experts and router rows into the order of their devices and compares the logits of every position.
  ///
  /// - Parameters:
  ///   - model: The model in its original order.
  ///   - placement: Which device holds which expert.
  ///   - documents: Token sequences.
  /// - Returns: The largest |Δ logit|; 0 when every bit is the same, NaN where one side is not a number.
  /// - Throws: `PlacementError` when a layer has no placement.
  public static func largestDifference(
    _ model: LanguageModel, _ placement: Placement, documents: [[Int32]]
  ) throws(PlacementError) -> Double {
    let original = model.unlimited().untracked()
    var moved = original
    try moved.arrange(placement)
    let batch = TokenBatch(sequences: documents)
    let before = original.logits(original(batch).hidden)
    let after = moved.logits(moved(batch).hidden)
    return zip(before.elements, after.elements).reduce(0.0) { largest, pair in
      let difference = abs(Double(pair.0) - Double(pair.1))
      return difference <= largest ? largest : difference
    }
  }
}
