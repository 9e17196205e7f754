public import Files
internal import Formats
internal import Foundation
public import Models

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
  /// Bytes of `tokenizer.model`, a SentencePiece model; nil where there is none.
  public let tokenizerModel: [UInt8]?
  /// Further small text files of a hub folder by name, carried along verbatim.
  public let companions: [String: String]
  /// The model that the rest of a partial checkpoint's parameters come from; nil for a complete model.
  public let base: BaseReference?
  /// Low-rank adapters of the checkpoint over its weights; nil for none. Loading attaches them, copying merges them.
  public var adapters: AdapterSettings? { adapter?.settings }
  let source: any TensorSource
  let adapter: AdapterGroup?

  /// Whether a path names an HDF5 checkpoint rather than a folder.
  public static func isHDF5(_ path: String) -> Bool { path.hasSuffix(".h5") || path.hasSuffix(".hdf5") }

  /// The resolved recipe of the run that wrote a checkpoint; nil where it holds none.
  ///
  /// - Parameter path: A `.h5` file.
  /// - Returns: Its text.
  /// - Throws: ``FileError``.
  package static func recipe(of path: String) throws(FileError) -> String? {
    let file = try HDF5Reader(path)
    return try file.contains("recipe_yaml") ? try file.string("recipe_yaml") : nil
  }

  /// Opens a model, with its base where it is a partial checkpoint; weights are read later.
  ///
  /// - Parameter path: A `.h5` file or a folder with `config.json` and safetensors files.
  /// - Throws: ``FileError`` or `ConfigurationError`.
  public init(opening path: String) throws { try self.init(opening: path, asBaseOf: nil) }

  /// Opens a checkpoint whose base, if it is partial, lies at another place than when it was written.
  ///
  /// - Parameters:
  ///   - path: A `.h5` file.
  ///   - base: Where its base is now; size and checksum have to be those of the one it was written over.
  /// - Throws: ``FileError`` or `ConfigurationError`.
  package init(opening path: String, over base: String) throws {
    try self.init(opening: path, asBaseOf: nil, over: base)
  }

  /// Opens a model that has to be complete if it is the base of a partial checkpoint.
  init(opening path: String, asBaseOf partial: String?, over place: String? = nil) throws {
    self.path = path
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      let folder = try HuggingFaceFolder(opening: path)
      (configuration, routing, base, source, adapter) = (
        folder.configuration, folder.routing, nil, folder, nil
      )
      (tokenizerJSON, tokenizerModel, companions) = folder.companions.parts
      Self.tell(configuration, path + "/" + HubFiles.configurationName, path + "/" + HubFiles.generationName)
    } else {
      if let aside = PendingFolder.aside(path) { throw FileError.interrupted(path: path, aside: aside) }
      let checkpoint = try CheckpointReader(opening: path)
      (configuration, routing, base) = (
        checkpoint.configuration, checkpoint.routing, checkpoint.base.map { base in place.map(base.moved) ?? base }
      )
      adapter = checkpoint.adapter
      (tokenizerJSON, tokenizerModel, companions) = checkpoint.companions.parts
      Self.tell(configuration, path + " config_json", path + " " + HubFiles.generationName)
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

  /// Tells of keys that nobody here knows, once a file.
  static func tell(_ configuration: ModelConfiguration, _ file: String, _ generation: String) {
    for (file, keys) in [(file, configuration.unknownKeys), (generation, configuration.generation.unknownKeys)]
    where !keys.isEmpty {
      let (found, meaning) = keys.count == 1 ? ("another", "it changes") : ("others", "they change")
      Notices.tell(
        "\(file): \(keys.joined(separator: ", ")): expected keys that this version knows, found \(found); "
          + "what \(meaning) is not computed")
    }
  }

  /// Name, shape and stored type of every parameter; every tensor in the files is accounted for.
  ///
  /// - Throws: ``FileError`` naming the first tensor that is missing, unexpected, mis-shaped or of a foreign type.
  public func inventory() throws(FileError) -> [StoredParameter] {
    // Before the configuration's word is taken for how long a list to make.
    let held = try source.tensorCount
    guard configuration.layers <= held else {
      throw .invalid(
        path: path, item: nil, expected: "tensors for the \(configuration.layers) layers of the configuration",
        found: "\(held) tensors in all")
    }
    let parameters = ModelFamily.parameters(configuration)
    let strangers = try source.unexpected(besides: parameters.map { ($0.path.name, $0.shape) })
    if let first = strangers.first {
      throw .invalid(
        path: path, item: first,
        expected: "only tensors of \(configuration.modelType) as its configuration describes it",
        found: strangers.count == 1 ? "this one besides" : "this one and \(strangers.count - 1) more besides")
    }
    var stored: [StoredParameter] = []
    for (parameter, shape) in parameters {
      let type = try source.type(of: parameter.name, shape: shape)
      _ = try encoding(type, of: parameter.name)
      stored.append(StoredParameter(path: parameter, shape: shape, type: type))
    }
    return stored
  }

  /// Tensors in the files that are left out on purpose: buffers that follow from the configuration, and an output
  /// projection that is tied to the embedding.
  public var unused: [String] { source.unused }
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
