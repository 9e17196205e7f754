internal import Foundation
public import Models
internal import Tensors

/// A model on disk, opened: an HDF5 checkpoint or a Hugging Face folder.
///
///     let files = try ModelFiles(opening: "checkpoints/base.h5")
///     let model = try files.model()
public struct ModelFiles {
  /// The path that was given.
  public let path: String
  /// Sizes and switches.
  public let configuration: ModelConfiguration
  /// Text of `tokenizer.json`; nil where there is none.
  public let tokenizerJSON: String?
  /// Placement and limit that the checkpoint carries, or a folder that `convert --with-code` wrote; nil for none.
  public let routing: RoutingSettings?
  /// Further small text files of a hub folder by name, carried along verbatim.
  public let companions: [String: String]
  /// The model that the rest of a partial checkpoint's parameters come from; nil for a complete model.
  public let base: BaseReference?
  /// Low-rank adapters of the checkpoint over its weights; nil for none. Loading attaches them, copying merges them.
  public var adapters: AdapterSettings? { adapter?.settings }
  let source: any TensorSource
  let adapter: AdapterGroup?

  /// Companions that are carried along.
  static let companionNames = [
    "chat_template.jinja", "generation_config.json", "special_tokens_map.json", "tokenizer_config.json",
  ]

  /// Whether a path names an HDF5 checkpoint rather than a folder.
  public static func isHDF5(_ path: String) -> Bool { path.hasSuffix(".h5") || path.hasSuffix(".hdf5") }

  /// Opens a model, with its base where it is a partial checkpoint; weights are read later.
  ///
  /// - Parameter path: A `.h5` file or a folder with `config.json` and safetensors files.
  /// - Throws: ``FileError`` or `ConfigurationError`.
  public init(opening path: String) throws { try self.init(opening: path, asBaseOf: nil) }

  /// Opens a model that has to be complete if it is the base of a partial checkpoint.
  init(opening path: String, asBaseOf partial: String?) throws {
    self.path = path
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      let folder = try HuggingFaceFolder(opening: path)
      (configuration, tokenizerJSON, companions) = (folder.configuration, folder.tokenizerJSON, folder.companions)
      (routing, base, source, adapter) = (folder.routing, nil, folder, nil)
    } else {
      let checkpoint = try CheckpointReader(opening: path)
      (configuration, tokenizerJSON, companions) = (
        checkpoint.configuration, checkpoint.tokenizerJSON, checkpoint.companions
      )
      (routing, base, adapter) = (checkpoint.routing, checkpoint.base, checkpoint.adapter)
      if let partial, adapter != nil {
        throw FileError.base(path: partial, base: path, expected: "without adapters", found: "one with adapters")
      }
      guard let base else {
        source = checkpoint
        return
      }
      if let partial {
        throw FileError.base(
          path: partial, base: path, expected: "that is complete", found: "one that needs a base itself")
      }
      source = try PartialSource(checkpoint, over: base)
    }
  }

  /// Name, shape and stored type of every parameter; every tensor in the files is accounted for.
  ///
  /// - Throws: ``FileError`` naming the first tensor that is missing, unexpected, mis-shaped or of a foreign type.
  public func inventory() throws(FileError) -> [StoredParameter] {
    let parameters = ModelFamily.parameters(configuration)
    let strangers = try source.unexpected(besides: parameters.map(\.path.name))
    if let first = strangers.first {
      throw .invalid(
        path: path, item: first,
        expected: "only tensors of \(configuration.modelType) as its configuration describes it",
        found: strangers.count == 1 ? "this one besides" : "this one and \(strangers.count - 1) more besides")
    }
    var stored: [StoredParameter] = []
    for (parameter, shape) in parameters {
      stored.append(
        StoredParameter(path: parameter, shape: shape, type: try source.type(of: parameter.name, shape: shape)))
    }
    return stored
  }

  /// Loads the model, every parameter as stored (float16 becomes float32), under the routing that the file carries.
  ///
  /// - Throws: ``FileError`` naming file, tensor, expected and found; `RoutingError` or `PlacementError`.
  public func model() throws -> LanguageModel {
    var model = try weights()
    if let routing { try model.apply(routing) }
    return model
  }

  /// The model without any routing applied.
  func weights() throws -> LanguageModel {
    let types = Dictionary(uniqueKeysWithValues: try inventory().map { ($0.path.name, $0.type) })
    var model = try ModelFamily.model(configuration) { (name: String, shape: [Int]) throws(FileError) in
      guard let type = types[name] else { preconditionFailure("\(name) is not in the inventory") }
      return try tensor(name, shape, type)
    }
    try adapter?.attach(to: &model)
    return model
  }

  func tensor(_ name: String, _ shape: [Int], _ type: ElementType) throws(FileError) -> Tensor {
    let tensor: Tensor
    switch type {
    case .float32, .bfloat16:
      tensor = try Tensor.read(shape, dtype: type == .float32 ? .float32 : .bfloat16) { (bytes) throws(FileError) in
        try source.read(name, shape: shape, into: bytes)
      }
    case .float16:
      let bits = UnsafeMutableRawBufferPointer.allocate(byteCount: shape.reduce(2, *), alignment: 64)
      defer { bits.deallocate() }
      try source.read(name, shape: shape, into: bits)
      tensor = Tensor(halves: UnsafeRawBufferPointer(bits), shape: shape)
    default:
      throw .type(path: path, item: name, expected: "float32, bfloat16 or float16", found: type.description)
    }
    guard tensor.isFinite else {
      let elements = tensor.elements
      let bad = elements.firstIndex { !$0.isFinite } ?? 0
      throw .invalid(path: path, item: name, expected: "finite numbers", found: "\(elements[bad]) at element \(bad)")
    }
    return tensor
  }
}

/// A parameter as it lies in a file.
public struct StoredParameter: Sendable {
  /// Its place in the module tree.
  public let path: ParameterPath
  /// Extent of each axis.
  public let shape: [Int]
  /// How elements are stored.
  public let type: ElementType

  /// Number of elements.
  public var count: Int { shape.reduce(1, *) }
  /// Bytes of all elements.
  public var byteCount: Int { count * type.byteCount }
}
