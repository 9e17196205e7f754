public import Files
internal import Foundation
public import Models

/// What a checkpoint holds besides weights.
public struct CheckpointExtras: Sendable {
  /// Text of `config.json`, verbatim.
  public var configurationJSON: String
  /// `model_type` of the configuration.
  public var modelType: String
  /// Text of `tokenizer.json`.
  public var tokenizerJSON: String?
  /// Bytes of `tokenizer.model`, a SentencePiece model.
  public var tokenizerModel: [UInt8]?
  /// Further small text files of the hub folder by name.
  public var companions: [String: String]
  /// Placement and limit.
  public var routing: RoutingSettings?
  /// The resolved recipe of the run that wrote it.
  public var recipeYAML: String?
  /// State of the run, from which it can go on.
  public var training: TrainingState?
  /// The model that has all other parameters, if only those of the roles that it names are to be written.
  public var base: BaseReference?
  /// What the adapters among the weights are, if there are any.
  public var adapters: AdapterSettings?

  /// What the files of a model hold besides weights.
  public init(_ files: ModelFiles) {
    configurationJSON = files.configuration.json
    modelType = files.configuration.modelType
    tokenizerJSON = files.tokenizerJSON
    tokenizerModel = files.tokenizerModel
    companions = files.companions
    routing = files.routing
  }

  /// Takes the Python files out, and what `auto_map` says of them in the configurations.
  ///
  /// - Returns: Their names.
  mutating func leaveOutCode() -> [String] {
    let names = companions.keys.filter(HubFiles.isCode).sorted()
    for name in names { companions[name] = nil }
    configurationJSON = HubFiles.withoutCode(names, in: configurationJSON)
    for name in [HubFiles.tokenizerConfigurationName] {
      companions[name] = companions[name].map { HubFiles.withoutCode(names, in: $0) }
    }
    return names
  }

  /// A configuration alone.
  public init(configuration: ModelConfiguration) {
    configurationJSON = configuration.json
    modelType = configuration.modelType
    companions = [:]
  }
}

/// How weights lie in an HDF5 checkpoint.
public enum WeightLayout: Sendable, Equatable {
  /// Chunks by expert with Fletcher-32, compressed by gzip on request (level 1–9).
  case chunked(deflate: Int? = nil)
  /// Contiguous and aligned to pages, with a CRC-32C per dataset or expert: can be memory-mapped.
  case mapped
}

/// Writes HDF5 checkpoints, crash-safe: under a temporary name, flushed, synced, renamed.
public enum CheckpointWriter {
  /// Writes a model, or the part of it that its base does not have.
  ///
  /// - Parameters:
  ///   - path: Name of the file; a file of that name stays as it was until the new one is complete.
  ///   - weights: Where parameters come from.
  ///   - dtype: Type to store all parameters in, adapters aside; each one's own if nil.
  ///   - layout: How weights lie in the file.
  ///   - extras: What else it holds.
  ///   - program: Name and version for `created_by`.
  /// - Throws: ``FileError``.
  public static func write(
    _ path: String, weights: some ParameterBytes, dtype: ElementType? = nil, layout: WeightLayout = .chunked(),
    extras: CheckpointExtras, program: String
  ) throws(FileError) {
    let parameters = try parameters(of: weights, extras)
    precondition(
      parameters.contains(where: \.path.isAdapter) == (extras.adapters != nil),
      "CheckpointWriter: adapters are written with what they are, and only then")
    let file = try HDF5Writer(creating: path, alignment: layout == .mapped ? 4096 : 1)
    for parameter in parameters {
      let type = parameter.path.isAdapter ? parameter.type : dtype ?? parameter.type
      var dataset = try file.dataset(
        parameter.path.datasetPath, shape: parameter.shape, type: type,
        layout: hdf5Layout(layout, parameter.shape, type))
      try weights.withBytes(parameter, as: type) { (bytes) throws(FileError) in try dataset.append(bytes) }
      try dataset.finish()
    }
    try file.write("config_json", string: extras.configurationJSON)
    if let text = extras.tokenizerJSON { try file.write("tokenizer_json", string: text) }
    for (name, text) in extras.companions.sorted(by: { $0.key < $1.key }) {
      try file.write(CheckpointReader.hubFiles + name, string: text)
    }
    if let bytes = extras.tokenizerModel {
      try bytes.withUnsafeBufferPointer { (buffer) throws(FileError) in
        try file.write(
          CheckpointReader.hubFiles + HubFiles.tokenizerModelName, shape: [bytes.count], type: .uint8,
          bytes: UnsafeRawBufferPointer(buffer))
      }
    }
    if let text = extras.recipeYAML { try file.write("recipe_yaml", string: text) }
    if let routing = extras.routing { try routing.write(to: file) }
    if let training = extras.training { try training.write(to: file) }
    if let base = extras.base { try base.write(to: file) }
    if let adapters = extras.adapters { try AdapterGroup.write(adapters, to: file) }
    let attributes: [(String, HDF5Attribute)] = [
      ("format", .string(CheckpointReader.format)), ("version", .integer(CheckpointReader.version)),
      ("model_type", .string(extras.modelType)), ("tensor_count", .integer(parameters.count)),
      ("created_by", .string(program)),
    ]
    for (name, value) in attributes { try file.setAttribute(name, value) }
    try file.commit()
  }

  /// The parameters that are written, in their order: all, or adapters and what the base does not have.
  public static func parameters(
    of weights: some ParameterBytes, _ extras: CheckpointExtras
  ) throws(FileError) -> [StoredParameter] {
    try weights.inventory().filter { $0.path.isAdapter || extras.base?.stored.contains($0.path.role) ?? true }
  }

  private static func hdf5Layout(_ layout: WeightLayout, _ shape: [Int], _ type: ElementType) -> HDF5Layout {
    switch layout {
    case .chunked(let deflate): .chunked(shape: shape, type: type, deflate: deflate, shuffle: deflate != nil)
    case .mapped: .contiguous(checksum: shape.count >= 3 ? .rows : .whole)
    }
  }
}
