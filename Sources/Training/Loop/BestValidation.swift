/// The best validation of a run so far, and how long ago that was.
///
/// A loss that is not finite is never the best.
public struct BestValidation: Sendable, Equatable {
  /// Step of the lowest loss; nil before the first.
  public private(set) var step: Int?
  /// The lowest loss, in nats per counted token.
  public private(set) var loss = Double.infinity
  /// Validations since one that was lower than all before it by more than `minDelta`.
  public private(set) var stale = 0

  /// No validation yet.
  public init() {}

  /// A record that a checkpoint carries.
  init(step: Int, loss: Double, stale: Int) {
    (self.step, self.loss, self.stale) = (step, loss, stale)
  }

  /// Takes in a validation.
  ///
  /// - Parameters:
  ///   - loss: In nats per counted token.
  ///   - step: Optimizer steps done.
  ///   - minDelta: What a loss must gain on the best one to count as progress.
  /// - Returns: Whether it is the lowest so far, by however little.
  public mutating func add(_ loss: Double, step: Int, minDelta: Double = 0) -> Bool {
    stale = loss < self.loss - minDelta || (loss.isFinite && self.step == nil) ? 0 : stale + 1
    guard loss.isFinite, loss < self.loss else { return false }
    (self.step, self.loss) = (step, loss)
    return true
  }
}
