internal import Files
internal import Formats
internal import Placements
internal import Routing
public import Models

// The `occult` section of a folder's config.json: what /routing holds in a checkpoint, as the exported code reads it.
extension RoutingSettings {
  /// Its key in config.json.
  static let configurationKey = "occult"
  /// Value of `version` in it.
  private static let configurationVersion = 1

  /// The same text for other processes of the run.
  public var json: String { configurationJSON }

  /// Reads what ``json`` wrote.
  ///
  /// - Parameters:
  ///   - json: The text.
  ///   - configuration: The model's sizes.
  /// - Throws: ``FileError`` or `PlacementError`.
  public init(json: String, _ configuration: ModelConfiguration) throws {
    let section = try JSONValue.parse(json, file: "routing of rank 0", item: Self.configurationKey)
    try self.init(section, configuration, file: "routing of rank 0")
  }

  /// The section: one layer a line, the same bytes for the same routing. What single policies read is named where it is
  /// not the default, tables in the layers they belong to.
  var configurationJSON: String {
    let limit = layerLimits.map { "[\($0.map(String.init).joined(separator: ", "))]" } ?? deviceLimit.map(String.init)
    let layers = placement.layers.map { layer in
      let devices = layer.expertDevice.map(String.init).joined(separator: ", ")
      let table = tables[layer.layer].map(Self.members) ?? ""
      return "      {\"layer\": \(layer.layer), \"expert_device\": [\(devices)]\(table)}"
    }
    return """
      {
          "version": \(Self.configurationVersion),
          "devices": \(placement.devices),
          "policy": "\(policy.rawValue)",
          "device_limit": \(limit ?? "null"),
          "weight_source": "\(weightSource.rawValue)",
          "renormalize": "\(renormalization.rawValue)",
          "epsilon": \(options.epsilon),
          "seed": \(Int64(bitPattern: seed)),\(optionMembers)
          "layers": [
      \(layers.joined(separator: ",\n"))
          ]
        }
      """
  }

  private var optionMembers: String {
    let defaults = PolicyOptions()
    var members: [String] = []
    if options.similarity != defaults.similarity {
      members.append("\"similarity\": \"\(options.similarity.rawValue)\"")
    }
    if options.similarityThreshold != defaults.similarityThreshold {
      members.append("\"similarity_threshold\": \(options.similarityThreshold)")
    }
    if options.groupScore != defaults.groupScore {
      members.append("\"group_score\": \"\(options.groupScore.rawValue)\"")
    }
    if let partners = options.partners { members.append("\"partners\": \(partners)") }
    return members.map { "\n    \($0)," }.joined()
  }

  private static func members(_ table: PolicyTables) -> String {
    func member(_ key: String, _ values: [String]?) -> String {
      values.map { ", \"\(key)\": [\($0.joined(separator: ", "))]" } ?? ""
    }
    return member("similarity", table.similarity?.map { "\($0)" }) + member("partners", table.partners?.map { "\($0)" })
      + member("kept_experts", table.keptExperts?.map { "\($0)" })
  }

  /// Reads the section, as it was written or as transformers saved it again.
  ///
  /// - Parameters:
  ///   - section: Its value.
  ///   - configuration: The model's sizes.
  ///   - file: Where it comes from, for messages.
  /// - Throws: ``FileError`` or `PlacementError`.
  init(_ section: JSONValue, _ configuration: ModelConfiguration, file: String) throws {
    func invalid(_ key: String, _ expected: String) -> FileError {
      let found = section[key].map(\.kind) ?? "nothing"
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
    var limits: [Int]?
    var limit: Int?
    switch section["device_limit"] {
    case .null?: break
    case .array(let list)?: limits = list.compactMap(\.integer)
    default: limit = try integer("device_limit")
    }
    let options = try PolicyOptions(section, invalid)
    guard case .array(let entries)? = section["layers"] else { throw invalid("layers", "a list") }
    var layers: [Placement.Layer] = []
    var tables: [Int: PolicyTables] = [:]
    for entry in entries {
      guard case .integer(let layer)? = entry["layer"], case .array(let list)? = entry["expert_device"] else {
        throw invalid("layers", "entries of 'layer' and 'expert_device'")
      }
      let devices = list.compactMap { if case .integer(let device) = $0 { device } else { nil } }
      guard devices.count == list.count else { throw invalid("layers", "integers in 'expert_device'") }
      layers.append(Placement.Layer(layer: layer, expertDevice: devices))
      let table = PolicyTables(
        similarity: entry["similarity"]?.numbers?.map(Float.init),
        partners: entry["partners"]?.numbers?.compactMap { Int32(exactly: $0) },
        keptExperts: entry["kept_experts"]?.numbers)
      if table != PolicyTables() { tables[layer] = table }
    }
    self.init(
      placement: try Placement(
        modelType: configuration.modelType, experts: configuration.experts, devices: try integer("devices"),
        layers: layers, file: "\(file) \(Self.configurationKey)"),
      policy: try named("policy", RoutingPolicy.self), deviceLimit: limit,
      weightSource: try named("weight_source", WeightSource.self),
      renormalization: try named("renormalize", Renormalization.self), options: options, tables: tables,
      seed: UInt64(bitPattern: Int64(try integer("seed"))))
    if let limits { self = try limited(toLayers: limits) }
  }
}

extension PolicyOptions {
  /// Reads what single policies read; what is not there has its default.
  fileprivate init(_ section: JSONValue, _ invalid: (String, String) -> FileError) throws(FileError) {
    func number(_ key: String) throws(FileError) -> Double {
      guard let value = section[key]?.real else { throw invalid(key, "a number") }
      return value
    }
    func word<T: RawRepresentable & CaseIterable>(_ key: String, _: T.Type) throws(FileError) -> T
    where T.RawValue == String {
      guard case .string(let text)? = section[key], let value = T(rawValue: text) else {
        throw invalid(key, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    self.init(epsilon: try number("epsilon"))
    if section["similarity"] != nil { similarity = try word("similarity", LogitSimilarity.self) }
    if section["similarity_threshold"] != nil { similarityThreshold = try number("similarity_threshold") }
    if section["group_score"] != nil { groupScore = try word("group_score", GroupScore.self) }
    if let partners = section["partners"] {
      guard let count = partners.integer else { throw invalid("partners", "an integer") }
      self.partners = count
    }
  }
}

extension JSONValue {
  /// A list of numbers; nil for any other value.
  fileprivate var numbers: [Double]? {
    guard case .array(let list) = self else { return nil }
    let numbers = list.compactMap(\.real)
    return numbers.count == list.count ? numbers : nil
  }
}
