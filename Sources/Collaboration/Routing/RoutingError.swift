/// Why a routing rule cannot be built: key, expected, found, what to try.
public enum RoutingError: Error, Equatable, CustomStringConvertible {
  /// k is not in 1...experts.
  case topK(Int, experts: Int)
  /// The number of devices is not in 1...experts.
  case devices(Int, experts: Int)
  /// Experts do not divide evenly among devices and no slack was asked for.
  case indivisible(experts: Int, devices: Int)
  /// The placement does not name one device per expert.
  case placementSize(expected: Int, found: Int)
  /// The placement names a device that does not exist.
  case placementRange(expert: Int, device: Int, devices: Int)
  /// A device holds more or fewer experts than its share and no slack was asked for.
  case unbalanced(device: Int, expected: Int, found: Int)
  /// L < 1.
  case deviceLimit(Int)
  /// ρ < 1: the kept devices can hold fewer than k experts. `needed` is the smallest limit that works.
  case tooFewExperts(deviceLimit: Int, topK: Int, found: Int, needed: Int)
  /// The policy needs a similarity table.
  case missingSimilarity
  /// The similarity table is not [experts, experts].
  case similaritySize(expected: Int, found: Int)
  /// ε is not in 0..<1.
  case epsilon(Double)
  /// The policy tries every set of devices, which is bounded.
  case tooManyDevices(policy: RoutingPolicy, most: Int, found: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .topK(let found, let experts):
      "top_k: expected 1...\(experts) for \(experts) experts, found \(found)"
    case .devices(let found, let experts):
      "devices: expected 1...\(experts) for \(experts) experts, found \(found); "
        + "try a divisor of \(experts)"
    case .indivisible(let experts, let devices):
      "devices: expected a divisor of \(experts) experts, found \(devices); "
        + "try \(Self.nearestDivisor(of: experts, to: devices))"
    case .placementSize(let expected, let found):
      "placement: expected a device for each of \(expected) experts, found \(found) entries; "
        + "try a placement made for this model"
    case .placementRange(let expert, let device, let devices):
      "placement: expert \(expert): expected a device in 0..<\(devices), found \(device)"
    case .unbalanced(let device, let expected, let found):
      "placement: device \(device): expected \(expected) experts, found \(found); "
        + "try a balanced placement, or ask for a capacity slack"
    case .deviceLimit(let found):
      "device_limit: expected at least 1, found \(found); try 1, or none to lift the limit"
    case .tooFewExperts(let limit, let topK, let found, let needed):
      "device_limit: expected devices that can hold top_k = \(topK) experts, found \(found) experts on \(limit) "
        + "(choice ratio below 1); try device_limit \(needed)"
    case .missingSimilarity:
      "policy similarity: expected a similarity table, found none; try profiling the model first, or policy router"
    case .similaritySize(let expected, let found):
      "similarity: expected \(expected) values (experts × experts), found \(found)"
    case .epsilon(let found):
      "epsilon: expected 0 ≤ ε < 1, found \(found)"
    case .tooManyDevices(let policy, let most, let found):
      "policy \(policy.rawValue): expected at most \(most) devices, because all sets are tried, found \(found); "
        + "try policy mass"
    }
  }

  private static func nearestDivisor(of experts: Int, to devices: Int) -> Int {
    // Ties go to the lower number: fewer devices always work.
    (1...experts).filter { experts % $0 == 0 }.min { abs($0 - devices) < abs($1 - devices) } ?? 1
  }
}
