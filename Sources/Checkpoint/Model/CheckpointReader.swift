internal import Collaboration
internal import Foundation
internal import Models

/// An HDF5 checkpoint: dataset path = parameter path with slashes, configuration and tokenizer as text, routing beside.
struct CheckpointReader: TensorSource {
  let path: String
  let configuration: ModelConfiguration
  let tokenizerJSON: String?
  let companions: [String: String]
  let routing: RoutingSettings?
  let base: BaseReference?
  let adapter: AdapterGroup?
  let file: HDF5Reader

  /// Value of the root attribute `format`.
  static let format = "occult"
  /// Value of the root attribute `version`.
  static let version = 1
  /// Groups and datasets that hold no weights.
  static let reserved = [
    "/config_json", "/tokenizer_json", "/recipe_yaml", "/hub_files/", "/routing/", "/training/", "/adapter/",
  ]

  init(opening path: String) throws {
    self.path = path
    file = try HDF5Reader(path)
    guard case .string(let format)? = try file.attribute("format"), format == Self.format else {
      throw FileError.foreign(
        path: path, expected: "an Occult checkpoint (root attribute format = '\(Self.format)')",
        found: "an HDF5 file of another kind")
    }
    let version = try file.integer(attribute: "version")
    guard version == Self.version else {
      throw FileError.unsupported(
        path: path, item: "version", expected: "version \(Self.version)", found: "version \(version)")
    }
    configuration = try ModelFamily.configuration(
      json: try file.string("config_json"), file: path + " config_json")
    tokenizerJSON = try file.contains("tokenizer_json") ? try file.string("tokenizer_json") : nil
    var companions: [String: String] = [:]
    for name in ModelFiles.companionNames where try file.contains("hub_files/" + name) {
      companions[name] = try file.string("hub_files/" + name)
    }
    self.companions = companions
    routing = try RoutingSettings(file, configuration)
    base = try BaseReference(file)
    adapter = try AdapterGroup(file, configuration)
  }

  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType {
    let info = try file.info(dataset(name))
    guard info.shape == shape else {
      throw .shape(path: path, item: info.path, expected: shape, found: info.shape)
    }
    guard case .element(let type) = info.type else {
      throw .type(
        path: path, item: info.path, expected: "float32, bfloat16 or float16", found: info.type.description)
    }
    return type
  }

  func read(_ name: String, shape: [Int], into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    try file.read(dataset(name), shape: shape, into: buffer)
  }

  func unexpected(besides names: [String]) throws(FileError) -> [String] {
    let known = Set(names.map(dataset))
    return try file.datasets().filter { path in
      !known.contains(path) && !Self.reserved.contains { path == $0 || ($0.hasSuffix("/") && path.hasPrefix($0)) }
    }
  }

  private func dataset(_ name: String) -> String { "/" + ParameterPath(name).datasetPath }
}
