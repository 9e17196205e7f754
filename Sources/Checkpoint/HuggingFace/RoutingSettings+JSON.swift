internal import Collaboration
internal import Models

// The `occult` section of a folder's config.json: what /routing holds in a checkpoint, as the exported code reads it.
extension RoutingSettings {
  /// Its key in config.json.
  static let configurationKey = "occult"
  /// Value of `version` in it.
  private static let configurationVersion = 1

  /// The section: one layer a line, the same bytes for the same routing.
  var configurationJSON: String {
    let layers = placement.layers.map { layer in
      let devices = layer.expertDevice.map(String.init).joined(separator: ", ")
      return "      {\"layer\": \(layer.layer), \"expert_device\": [\(devices)]}"
    }
    return """
      {
          "version": \(Self.configurationVersion),
          "devices": \(placement.devices),
          "policy": "\(policy.rawValue)",
          "device_limit": \(deviceLimit.map(String.init) ?? "null"),
          "weight_source": "\(weightSource.rawValue)",
          "renormalize": "\(renormalization.rawValue)",
          "epsilon": \(options.epsilon),
          "seed": \(Int64(bitPattern: seed)),
          "layers": [
      \(layers.joined(separator: ",\n"))
          ]
        }
      """
  }

  /// Reads the section, as it was written or as transformers saved it again.
  ///
  /// - Parameters:
  ///   - section: Its value.
  ///   - configuration: The model's sizes.
  ///   - file: Where it comes from, for messages.
  /// - Throws: ``FileError`` or `PlacementError`.
  init(_ section: StrictJSON, _ configuration: ModelConfiguration, file: String) throws {
    func invalid(_ key: String, _ expected: String) -> FileError {
      let found = section[key].map(\.words) ?? "nothing"
      return .invalid(path: file, item: "\(Self.configurationKey).\(key)", expected: expected, found: found)
    }
    func integer(_ key: String) throws(FileError) -> Int {
      guard case .integer(let value)? = section[key] else { throw invalid(key, "an integer") }
      return value
    }
    func named<T: RawRepresentable & CaseIterable>(_ key: String, _: T.Type) throws(FileError) -> T
    where T.RawValue == String {
      guard case .string(let text)? = section[key], let value = T(rawValue: text) else {
        throw invalid(key, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    guard try integer("version") == Self.configurationVersion else {
      throw invalid("version", "version \(Self.configurationVersion)")
    }
    let limit: Int? = section["device_limit"] == .null ? nil : try integer("device_limit")
    let epsilon: Double
    switch section["epsilon"] {
    case .real(let value)?: epsilon = value
    case .integer(let value)?: epsilon = Double(value)
    default: throw invalid("epsilon", "a number")
    }
    guard case .array(let entries)? = section["layers"] else { throw invalid("layers", "a list") }
    var layers: [Placement.Layer] = []
    for entry in entries {
      guard case .integer(let layer)? = entry["layer"], case .array(let list)? = entry["expert_device"] else {
        throw invalid("layers", "entries of 'layer' and 'expert_device'")
      }
      let devices = list.compactMap { if case .integer(let device) = $0 { device } else { nil } }
      guard devices.count == list.count else { throw invalid("layers", "integers in 'expert_device'") }
      layers.append(Placement.Layer(layer: layer, expertDevice: devices))
    }
    self.init(
      placement: try Placement(
        modelType: configuration.modelType, experts: configuration.experts, devices: try integer("devices"),
        layers: layers, file: "\(file) \(Self.configurationKey)"),
      policy: try named("policy", RoutingPolicy.self), deviceLimit: limit,
      weightSource: try named("weight_source", WeightSource.self),
      renormalization: try named("renormalize", Renormalization.self), options: PolicyOptions(epsilon: epsilon),
      seed: UInt64(bitPattern: Int64(try integer("seed"))))
  }
}

extension StrictJSON {
  /// The value in a message.
  fileprivate var words: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .string(let value): "'\(value)'"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
