internal import Files
internal import Placements
internal import Foundation
internal import Formats
internal import Models

// What is said about files without weights of their own: configurations, runs, exported maps.
extension Inspection {
  /// What a JSON file is, by its keys.
  enum JSONKind {
    case configuration
    case map(JSONValue)
    /// And everything else, which the reader of placements names.
    case placement
  }

  /// Longest file that is looked into for its keys.
  private static let mostBytes = 1 << 28

  static func kind(ofJSON path: String) -> JSONKind {
    guard let bytes = try? InputFile.bytes(path, most: mostBytes) else { return .placement }
    var parser = JSONParser(bytes)
    guard let json = try? parser.document() else {
      // A configuration in which something is wrong says so itself.
      return (path as NSString).lastPathComponent == HubFiles.configurationName ? .configuration : .placement
    }
    if ExportedMap.isOne(json) { return .map(json) }
    if json["format"] == nil, json["model_type"] != nil || json["architectures"] != nil { return .configuration }
    return .placement
  }

  /// Sizes, parameters, memory and routing of a `config.json`.
  mutating func describe(configuration path: String) throws {
    let (c, routing) = try ModelLocation.configuration(file: path)
    // Before names are made for as many experts and layers as the file likes.
    guard c.layers * c.experts <= Self.mostExperts else {
      throw FileError.invalid(
        path: path, item: "num_hidden_layers", expected: "at most \(Self.mostExperts) experts in all layers",
        found: "\(c.layers * c.experts)")
    }
    describe(sizes: c)
    describe(text: c)
    let type = Self.statedType(c.json)
    let stored = ModelFamily.parameters(c).map { StoredParameter(path: $0.path, shape: $0.shape, type: type) }
    var total = 0
    for parameter in stored {
      let (sum, isOver) = total.addingReportingOverflow(checkedProduct(parameter.shape) ?? .max)
      guard !isOver, sum <= Int.max / 16 else {
        throw FileError.invalid(
          path: path, item: parameter.path.name, expected: "parameters that can be counted", found: "\(parameter.shape)"
        )
      }
      total = sum
    }
    add("parameters", total)
    let experts = c.sparseLayers.count * 3 * c.hidden * c.intermediate
    add("parameters of a token", total - experts * (c.experts - c.topK))
    add("memory", "\(ByteSize.words(2 * total)) in bfloat16, \(ByteSize.words(4 * total)) in float32, weights alone")
    add(
      "memory to train all",
      "\(ByteSize.words(16 * total)): weights, gradients and two moments in float32, without activations")
    share(stored)
    describe(routing: routing)
  }

  private static let mostExperts = 1 << 22

  /// The type that a configuration states; float32 where it states none that weights have.
  private static func statedType(_ json: String) -> ElementType {
    let config = ConfigurationText(json)
    let words = config.value(of: "dtype") ?? config.value(of: "torch_dtype") ?? ""
    return ElementType.allCases.first { words == "\"\($0)\"" } ?? .float32
  }

  /// When texts end and how tokens are drawn, and what nothing here knows.
  mutating func describe(text c: ModelConfiguration) {
    add("end tokens", c.endTokens.isEmpty ? "none" : c.endTokens.map(String.init).joined(separator: ", "))
    let unknown = c.unknownKeys + c.generation.unknownKeys.map { "\(HubFiles.generationName) \($0)" }
    if !unknown.isEmpty { add("unknown keys", unknown.joined(separator: ", ")) }
    if let error = c.untrainable { add("training", "not possible: \(error)") }
  }

  /// The model of a run, and where the run stands.
  mutating func describe(run result: String) throws {
    add("model", result)
    let file = try HDF5Reader(result)
    try list(file)
    try describe(model: try ModelFiles(opening: result))
    try describeRun(file)
  }

  mutating func describe(map: ExportedMap) {
    add("engine", map.engine.rawValue)
    add("layers", map.layers.count)
    add("experts", map.experts)
    add("slots", "\(map.layers[0].count) in a layer, \(map.layers[0].count - map.experts) of them replicas")
    if let devices = map.devices { add("devices", devices) }
  }
}
