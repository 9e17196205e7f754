internal import Collaboration
internal import Models

// /routing: attributes devices, policy, device_limit (absent: none), weight_source, renormalize, epsilon, seed, and per layer
// /routing/layers/<layer>/expert_device, int32 [E].
extension RoutingSettings {
  /// Reads what a checkpoint carries; nil where there is no `/routing`.
  init?(_ file: HDF5Reader, _ configuration: ModelConfiguration) throws {
    guard try file.contains("routing") else { return nil }
    func named<T: RawRepresentable & CaseIterable>(_ attribute: String, _: T.Type) throws(FileError) -> T
    where T.RawValue == String {
      let text = try file.string(attribute: attribute, of: "routing")
      guard let value = T(rawValue: text) else {
        throw .invalid(
          path: file.path, item: "/routing \(attribute)",
          expected: "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))", found: "'\(text)'")
      }
      return value
    }
    var layers: [Placement.Layer] = []
    for layer in configuration.sparseLayers {
      var devices = [Int32](repeating: 0, count: configuration.experts)
      try devices.withUnsafeMutableBufferPointer { (buffer) throws(FileError) in
        try file.read(
          "routing/layers/\(layer)/expert_device", shape: [configuration.experts], type: .int32,
          into: UnsafeMutableRawBufferPointer(buffer))
      }
      layers.append(Placement.Layer(layer: layer, expertDevice: devices.map(Int.init)))
    }
    var limit: Int?
    if case .integer(let value)? = try file.attribute("device_limit", of: "routing") { limit = value }
    self.init(
      placement: try Placement(
        modelType: configuration.modelType, experts: configuration.experts,
        devices: try file.integer(attribute: "devices", of: "routing"), layers: layers, file: file.path + " /routing"),
      policy: try named("policy", RoutingPolicy.self), deviceLimit: limit,
      weightSource: try named("weight_source", WeightSource.self),
      renormalization: try named("renormalize", Renormalization.self),
      options: PolicyOptions(epsilon: try file.real(attribute: "epsilon", of: "routing")),
      seed: UInt64(bitPattern: Int64(try file.integer(attribute: "seed", of: "routing"))))
  }

  /// Writes `/routing`.
  func write(to file: borrowing HDF5Writer) throws(FileError) {
    try file.makeGroup("routing")
    for layer in placement.layers {
      let devices = layer.expertDevice.map(Int32.init)
      try devices.withUnsafeBufferPointer { (devices) throws(FileError) in
        try file.write(
          "routing/layers/\(layer.layer)/expert_device", shape: [placement.experts], type: .int32,
          bytes: UnsafeRawBufferPointer(devices))
      }
    }
    let attributes: [(String, HDF5Attribute)] = [
      ("devices", .integer(placement.devices)), ("policy", .string(policy.rawValue)),
      ("weight_source", .string(weightSource.rawValue)), ("renormalize", .string(renormalization.rawValue)),
      ("epsilon", .real(options.epsilon)), ("seed", .integer(Int(Int64(bitPattern: seed)))),
    ]
    for (name, value) in attributes { try file.setAttribute(name, value, of: "routing") }
    if let deviceLimit { try file.setAttribute("device_limit", .integer(deviceLimit), of: "routing") }
  }
}
