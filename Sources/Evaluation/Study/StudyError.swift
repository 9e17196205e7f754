/// A study that cannot begin or go on.
public enum StudyError: Error, Equatable, CustomStringConvertible {
  /// An arm or rule has devices or a placement of its own.
  case placement(arm: String)
  /// Learning rates are to be chosen on validation data that is not there.
  case noValidation
  /// A signal asked to stop.
  case stopped(after: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .placement(let arm):
      "study: \(arm): expected the devices, placement and load cap of the whole study, found others; try one study for each "
        + "placement"
    case .noValidation:
      "study.learning_rates: expected validation data to choose by, found none; try data.validation: 0.05"
    case .stopped(let stage): "stopped after \(stage); the same command goes on from there"
    }
  }
}
