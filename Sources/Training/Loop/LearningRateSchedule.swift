internal import Foundation

/// The learning rate by step: a linear warm-up, then constant, linear or cosine decay to zero at the last step.
///
///     step s < w:   (s + 1) / w
///     linear:       1 - r,   cosine: (1 + cos π r) / 2,   r = (s - w) / (steps - w)
public struct LearningRateSchedule: Sendable, Equatable {
  /// Shape after the warm-up.
  public let name: Recipe.ScheduleName
  /// Steps of warm-up.
  public let warmupSteps: Int
  /// Steps of the whole run.
  public let steps: Int

  /// A schedule over a known number of steps.
  ///
  /// - Parameters:
  ///   - name: Shape after the warm-up.
  ///   - warmupSteps: Steps of warm-up.
  ///   - steps: Steps of the whole run.
  public init(name: Recipe.ScheduleName, warmupSteps: Int, steps: Int) {
    (self.name, self.warmupSteps, self.steps) = (name, warmupSteps, steps)
  }

  /// Factor of the peak rate at a step, counted from 0.
  public func factor(at step: Int) -> Double {
    if step < warmupSteps { return Double(step + 1) / Double(warmupSteps) }
    let rest = Double(step - warmupSteps) / Double(max(1, steps - warmupSteps))
    return switch name {
    case .constant: 1
    case .linear: max(0, 1 - rest)
    case .cosine: (1 + cos(.pi * min(1, rest))) / 2
    }
  }
}
