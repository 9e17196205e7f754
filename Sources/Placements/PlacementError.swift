/// Why a placement cannot be read, checked or made: where, expected, found, what to try.
public enum PlacementError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be read or written.
  case unreadable(file: String, reason: String)
  /// Not JSON, or a key is missing or of the wrong type. `path` is like `layers[3].expert_device`.
  case malformed(file: String, path: String, expected: String, found: String)
  /// The file's `format` is another one.
  case format(file: String, found: String)
  /// The file is of a later version.
  case version(file: String, found: Int)
  /// D is not in 1...E, or does not divide E and no slack was asked for.
  case devices(file: String, experts: Int, found: Int)
  /// A layer occurs twice.
  case duplicateLayer(file: String, layer: Int)
  /// A layer does not name one device per expert.
  case size(file: String, layer: Int, expected: Int, found: Int)
  /// A layer names a device that does not exist.
  case range(file: String, layer: Int, expert: Int, devices: Int, found: Int)
  /// A device holds more or fewer experts than its share.
  case unbalanced(file: String, layer: Int, device: Int, expected: Int, found: Int)
  /// A layer that a model or profile has is not in the placement.
  case missingLayer(file: String, layer: Int, found: [Int])
  /// The placement is for another model.
  case model(file: String, expected: Int, found: Int)
  /// The profile holds no recorded sets, which the true C_T needs.
  case noRecordedSets(layer: Int)
  /// The load cap is below 1: no placement can have less than mean load everywhere.
  case loadCap(Double)
  /// N does not divide D.
  case nodes(file: String, devices: Int, found: Int)
  /// The cost of a copy to a node is below 0, or no number.
  case nodeCost(Double)
  /// A replica is of no expert, on no device, on a device that holds its expert already, or one too many.
  case replica(file: String, layer: Int, expert: Int, expected: String, found: String)
  /// The placement has replicas, which what it was read for cannot follow.
  case hasReplicas(file: String)
  /// More replicas are asked for than a device can hold.
  case replicaSlots(experts: Int, devices: Int, found: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .malformed(let file, let path, let expected, let found):
      "\(file): \(path.isEmpty ? "" : path + ": ")expected \(expected), found \(found)"
    case .format(let file, let found):
      "\(file): format: expected \"\(Placement.format)\", found \"\(found)\"; try a file written by 'occult place'"
    case .version(let file, let found):
      "\(file): version: expected \(Placement.version), found \(found); try a newer occult"
    case .devices(let file, let experts, let found) where !(1...max(experts, 1)).contains(found):
      "\(file): devices: expected 1...\(experts) for \(experts) experts, found \(found)"
    case .devices(let file, let experts, let found):
      "\(file): devices: expected a divisor of \(experts) experts, found \(found)"
    case .duplicateLayer(let file, let layer):
      "\(file): layer \(layer): expected one entry, found two"
    case .size(let file, let layer, let expected, let found):
      "\(file): layer \(layer): expected a device for each of \(expected) experts, found \(found) entries"
    case .range(let file, let layer, let expert, let devices, let found):
      "\(file): layer \(layer): expert \(expert): expected a device in 0..<\(devices), found \(found)"
    case .unbalanced(let file, let layer, let device, let expected, let found):
      "\(file): layer \(layer): device \(device): expected \(expected) experts, found \(found)"
    case .missingLayer(let file, let layer, let found):
      "\(file): expected layer \(layer), found layers \(found.map(String.init).joined(separator: ", ")); "
        + "try a placement made for this model"
    case .model(let file, let expected, let found):
      "\(file): experts: expected \(expected), found \(found); try a placement made for this model"
    case .noRecordedSets(let layer):
      "profile: layer \(layer): expected recorded sets, which say what experts a token uses together, found none, as in a "
        + "profile of loads alone; try method load, contiguous or random, or a profile of a model on text or of recorded routing"
    case .loadCap(let found):
      "load_cap: expected at least 1, found \(found); try 1.10, or none to lift the cap"
    case .nodes(let file, let devices, let found):
      "\(file): nodes: expected a divisor of \(devices) devices, found \(found)"
    case .nodeCost(let found):
      "node_cost: expected a number in 0...1000000, found \(found)"
    case .replica(let file, let layer, let expert, let expected, let found):
      "\(file): layer \(layer): replica of expert \(expert): expected \(expected), found \(found)"
    case .hasReplicas(let file):
      "\(file): expected a placement without replicas, found some; they are for planning and export: try 'occult place' "
        + "without --replicas"
    case .replicaSlots(let experts, let devices, let found):
      "replicas: expected 0...\(experts - experts / max(devices, 1)) on each of \(devices) devices, found \(found)"
    }
  }
}
