internal import Files
internal import Placements
internal import Routing
internal import Models

// /routing: attributes devices, policy, device_limit (absent: none), weight_source, renormalize, epsilon, seed, those
// of single policies where they are not the defaults, and per layer /routing/layers/<layer>/ with expert_device, int32
// [E], and what the policy needs: similarity, float32 [E, E] · partners, int32 [E, T] · kept_experts, float64 [D].
// Where layers differ, each has an attribute device_limit of its own.
extension RoutingSettings {
  /// Reads what a checkpoint carries; nil where there is no `/routing`.
  init?(_ file: HDF5Reader, _ configuration: ModelConfiguration) throws {
    guard try file.contains("routing") else { return nil }
    var layers: [Placement.Layer] = []
    for layer in configuration.sparseLayers {
      let devices = try file.values(
        "routing/layers/\(layer)/expert_device", [configuration.experts], Int32.self, .int32)
      layers.append(Placement.Layer(layer: layer, expertDevice: devices.map(Int.init)))
    }
    let policy = try file.choice("policy", RoutingPolicy.self)
    var limit: Int?
    if case .integer(let value)? = try file.attribute("device_limit", of: "routing") { limit = value }
    self.init(
      placement: try Placement(
        modelType: configuration.modelType, experts: configuration.experts,
        devices: try file.integer(attribute: "devices", of: "routing"), layers: layers, file: file.path + " /routing"),
      policy: policy, deviceLimit: limit, weightSource: try file.choice("weight_source", WeightSource.self),
      renormalization: try file.choice("renormalize", Renormalization.self), options: try PolicyOptions(file),
      tables: try Self.tables(of: policy, file, configuration),
      seed: UInt64(bitPattern: Int64(try file.integer(attribute: "seed", of: "routing"))))
    let limits = try configuration.sparseLayers.compactMap { layer -> Int? in
      guard case .integer(let limit)? = try file.attribute("device_limit", of: "routing/layers/\(layer)") else {
        return nil
      }
      return limit
    }
    if !limits.isEmpty { self = try limited(toLayers: limits) }
  }

  private static func tables(
    of policy: RoutingPolicy, _ file: HDF5Reader, _ configuration: ModelConfiguration
  ) throws(FileError) -> [Int: PolicyTables] {
    guard policy.needsTables else { return [:] }
    let e = configuration.experts
    var tables: [Int: PolicyTables] = [:]
    for layer in configuration.sparseLayers {
      let group = "routing/layers/\(layer)/"
      var table = PolicyTables()
      if try file.contains(group + "similarity") {
        table.similarity = try file.values(group + "similarity", [e, e], Float.self, .float32)
      }
      if try file.contains(group + "partners") {
        let width = min(try file.info(group + "partners").shape.last ?? 0, e - 1)
        table.partners = try file.values(group + "partners", [e, width], Int32.self, .int32)
      }
      switch try file.attribute("kept_experts", of: "routing/layers/\(layer)") {
      case .real(let value)?: table.keptExperts = [value]
      case .reals(let values)?: table.keptExperts = values
      default: break
      }
      if table != PolicyTables() { tables[layer] = table }
    }
    return tables
  }

  /// Writes `/routing`.
  func write(to file: borrowing HDF5Writer) throws(FileError) {
    try file.makeGroup("routing")
    let e = placement.experts
    for (place, layer) in placement.layers.enumerated() {
      let group = "routing/layers/\(layer.layer)"
      try file.write(group + "/expert_device", [e], layer.expertDevice.map(Int32.init), .int32)
      if let layerLimits { try file.setAttribute("device_limit", .integer(layerLimits[place]), of: group) }
      guard let table = tables[layer.layer] else { continue }
      if let values = table.similarity { try file.write(group + "/similarity", [e, e], values, .float32) }
      if let values = table.partners { try file.write(group + "/partners", [e, values.count / e], values, .int32) }
      if let values = table.keptExperts { try file.setAttribute("kept_experts", .reals(values), of: group) }
    }
    let defaults = PolicyOptions()
    var attributes: [(String, HDF5Attribute)] = [
      ("devices", .integer(placement.devices)), ("policy", .string(policy.rawValue)),
      ("weight_source", .string(weightSource.rawValue)), ("renormalize", .string(renormalization.rawValue)),
      ("epsilon", .real(options.epsilon)), ("seed", .integer(Int(Int64(bitPattern: seed)))),
    ]
    if let deviceLimit { attributes.append(("device_limit", .integer(deviceLimit))) }
    if options.similarity != defaults.similarity {
      attributes.append(("similarity", .string(options.similarity.rawValue)))
    }
    if options.similarityThreshold != defaults.similarityThreshold {
      attributes.append(("similarity_threshold", .real(options.similarityThreshold)))
    }
    if options.groupScore != defaults.groupScore {
      attributes.append(("group_score", .string(options.groupScore.rawValue)))
    }
    if let partners = options.partners { attributes.append(("partners", .integer(partners))) }
    for (name, value) in attributes { try file.setAttribute(name, value, of: "routing") }
  }
}

extension PolicyOptions {
  /// Reads attributes of `/routing`; those that are not there have their defaults.
  fileprivate init(_ file: HDF5Reader) throws(FileError) {
    self.init(epsilon: try file.real(attribute: "epsilon", of: "routing"))
    func has(_ name: String) throws(FileError) -> Bool { try file.attribute(name, of: "routing") != nil }
    if try has("similarity") { similarity = try file.choice("similarity", LogitSimilarity.self) }
    if try has("similarity_threshold") {
      similarityThreshold = try file.real(attribute: "similarity_threshold", of: "routing")
    }
    if try has("group_score") { groupScore = try file.choice("group_score", GroupScore.self) }
    if try has("partners") { partners = try file.integer(attribute: "partners", of: "routing") }
  }
}

extension HDF5Reader {
  /// An attribute of `/routing` that is one of some words.
  fileprivate func choice<T: RawRepresentable & CaseIterable>(
    _ attribute: String, _: T.Type
  ) throws(FileError) -> T where T.RawValue == String {
    let text = try string(attribute: attribute, of: "routing")
    guard let value = T(rawValue: text) else {
      throw .invalid(
        path: path, item: "/routing \(attribute)",
        expected: "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))", found: "'\(text)'")
    }
    return value
  }

  /// A small dataset; its shape is checked before memory is taken.
  fileprivate func values<T: BitwiseCopyable & Numeric>(
    _ dataset: String, _ shape: [Int], _: T.Type, _ type: ElementType
  ) throws(FileError) -> [T] {
    let found = try info(dataset)
    guard found.shape == shape else { throw .shape(path: path, item: found.path, expected: shape, found: found.shape) }
    var values = [T](repeating: 0, count: shape.reduce(1, *))
    try values.withUnsafeMutableBufferPointer { (values) throws(FileError) in
      try read(dataset, shape: shape, type: type, into: UnsafeMutableRawBufferPointer(values))
    }
    return values
  }
}

extension HDF5Writer {
  fileprivate borrowing func write<T: BitwiseCopyable>(
    _ dataset: String, _ shape: [Int], _ values: [T], _ type: ElementType
  ) throws(FileError) {
    try values.withUnsafeBufferPointer { (values) throws(FileError) in
      try write(dataset, shape: shape, type: type, bytes: UnsafeRawBufferPointer(values))
    }
  }
}
