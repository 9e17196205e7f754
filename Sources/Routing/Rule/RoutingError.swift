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
  /// The policy needs a table.
  case missingTable(RoutingPolicy, String)
  /// The table of a policy cannot be made from a profile that lacks something.
  case unprofiled(policy: RoutingPolicy, layer: Int, missing: String)
  /// A profile of another model.
  case foreignProfile(layer: Int, experts: Int, found: Int)
  /// The smallest limits take more devices than a budget; `least` is what they take.
  case budget(Double, least: Double)
  /// A list of limits has not one for each layer.
  case layerLimits(expected: Int, found: Int)
  /// A table has the wrong number of values.
  case tableSize(String, expected: Int, found: Int)
  /// An expert's partners are not different other experts.
  case partners(of: Int, experts: Int)
  /// κ is not in 1...k.
  case keptExperts(Double, topK: Int)
  /// T leaves fewer than k experts.
  case fewPartners(Int, topK: Int)
  /// A threshold that is no number.
  case threshold(Double)
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
    case .missingTable(let policy, let table):
      "policy \(policy.rawValue): expected \(table) for every layer, found none; "
        + "try --profile with a file that 'occult profile' wrote, or policy router"
    case .unprofiled(let policy, let layer, let missing):
      "policy \(policy.rawValue): layer \(layer): expected a profile with \(missing), found none; "
        + "try 'occult profile' on the model and text, or policy router"
    case .foreignProfile(let layer, let experts, let found):
      "profile: expected layer \(layer) with \(experts) experts, found "
        + (found == experts ? "no such layer" : "\(found) experts") + "; try a profile of this model"
    case .budget(let budget, let least):
      "device_limit auto: expected at least \(Self.twoDigits(least)) devices a token, which the smallest limits take, "
        + "found \(budget)"
    case .layerLimits(let expected, let found):
      "device_limit: expected one limit, or one for each of \(expected) MoE layers, found \(found)"
    case .tableSize(let table, let expected, let found):
      "\(table): expected \(expected) values, found \(found); try a profile of this model"
    case .partners(let expert, let experts):
      "partners: expert \(expert): expected different other experts in 0..<\(experts), found others; "
        + "try a profile of this model"
    case .keptExperts(let found, let topK):
      "kept_experts: expected a number in 1...\(topK), found \(found)"
    case .fewPartners(let found, let topK):
      "partners: expected at least top_k − 1 = \(topK - 1), found \(found); try \(2 * topK)"
    case .threshold(let found):
      "similarity_threshold: expected a finite number, found \(found)"
    case .epsilon(let found):
      "epsilon: expected 0 ≤ ε < 1, found \(found)"
    case .tooManyDevices(let policy, let most, let found):
      "policy \(policy.rawValue): expected at most \(most) devices, because all sets are tried, found \(found); "
        + "try policy mass"
    }
  }

  /// Rounded up, so that it is a budget that works.
  private static func twoDigits(_ value: Double) -> Double { (value * 100).rounded(.up) / 100 }

  private static func nearestDivisor(of experts: Int, to devices: Int) -> Int {
    // Ties go to the lower number: fewer devices always work.
    (1...experts).filter { experts % $0 == 0 }.min { abs($0 - devices) < abs($1 - devices) } ?? 1
  }
}
