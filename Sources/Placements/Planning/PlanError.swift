/// Why something cannot be planned: where, expected, found, what to try.
public enum PlanError: Error, Equatable, CustomStringConvertible {
  /// An expert-parallel size that E or the topology cannot have.
  case expertParallel(found: Int, experts: Int, topology: String, devicesPerNode: Int)
  /// A number of devices that none of the expert-parallel sizes fits.
  case devices(found: Int, expected: String)
  /// A device limit below 1.
  case deviceLimit(found: Int)
  /// A placement made for another number of devices or experts.
  case placement(file: String, expected: String, found: String)
  /// The model given has other sizes than the profile.
  case model(path: String, expected: String, found: String)
  /// Measured points that no rising line goes through.
  case points(expected: String, found: String)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .expertParallel(let found, let experts, _, _) where found < 1 || experts % found != 0:
      "--expert-parallel: expected divisors of \(experts) experts, found \(found); more devices become data-parallel "
        + "replicas by --devices"
    case .expertParallel(let found, _, let topology, let perNode):
      "--expert-parallel: expected a divisor of the \(perNode) devices of a node or whole nodes of '\(topology)', found "
        + "\(found)"
    case .devices(let found, let expected):
      "--devices: expected \(expected), found \(found)"
    case .deviceLimit(let found):
      "--device-limit: expected at least 1, found \(found)"
    case .placement(let file, let expected, let found):
      "\(file): expected \(expected), found \(found); try a placement made from this profile"
    case .model(let path, let expected, let found):
      "\(path): expected \(expected) as in the profile, found \(found); try the model that was profiled"
    case .points(let expected, let found):
      "points: expected \(expected), found \(found)"
    }
  }
}
