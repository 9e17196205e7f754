internal import Files
internal import Models
internal import Tensors

/// The adapters of a checkpoint, written as a folder that `PeftModel.from_pretrained` loads over the base model.
public struct AdapterExport: Sendable, Equatable {
  /// A checkpoint with adapters.
  public var source: String
  /// The folder that is written.
  public var destination: String
  /// Whether adapters trained under a device limit may be exported: PEFT has no place for the limit.
  public var allowsUnlimited: Bool
  /// Whether files of an earlier export are replaced.
  public var overwrites: Bool

  /// An export; see the properties.
  public init(source: String, destination: String, allowsUnlimited: Bool = false, overwrites: Bool = false) {
    (self.source, self.destination) = (source, destination)
    (self.allowsUnlimited, self.overwrites) = (allowsUnlimited, overwrites)
  }

  /// Writes `adapter_config.json` and `adapter_model.safetensors`; the folder appears as a whole.
  ///
  /// - Parameter program: Name and version for `created_by`.
  /// - Returns: How many tensors and bytes.
  /// - Throws: ``AdapterExportError``, ``ConversionError``, ``FileError``, `FolderError` or `ConfigurationError`.
  public func run(program: String = "occult") throws -> Conversion.Outcome {
    let conversion = Conversion(source: source, destination: destination, overwrites: overwrites)
    try conversion.check()
    let files = try ModelFiles(opening: source)
    guard let group = files.adapter else { throw AdapterExportError.none(source: source) }
    if let stored = files.base?.stored, !stored.isEmpty {
      throw AdapterExportError.fullyTrained(source: source, roles: files.base?.roles ?? [])
    }
    if !allowsUnlimited, let routing = files.routing, routing.isLimited {
      throw AdapterExportError.losesLimit(source: source, destination: destination, routing: routing.words)
    }
    let adapter = PEFTAdapter(settings: group.settings, parameters: try files.inventory())
    let items = adapter.items
    let pending = try PendingFolder(destination, overwrites: overwrites)
    var writer = try SafetensorsWriter(
      file: pending.path + "/adapter_model.safetensors",
      tensors: items.map { .init(name: $0.name, type: .float32, shape: $0.shape) })
    for item in items {
      let factor = PEFTAdapter.arranged(try group.factor(item.path), item)
      try factor.withBytes { (bytes) throws(FileError) in try writer.write(item.name, bytes) }
    }
    var written = try writer.committed()
    let name = "adapter_config.json"
    let text = adapter.configuration(baseModel: files.base.flatMap { ModelFiles.isHDF5($0.path) ? nil : $0.path })
    try Array(text.utf8).withUnsafeBytes { bytes in
      try PendingFile.write(bytes, to: pending.path + "/" + name)
      written.append(.init(name, bytes))
    }
    try pending.commit(written, program: program)
    return Conversion.Outcome(
      tensors: items.count, bytes: items.reduce(0) { $0 + 4 * $1.shape.reduce(1, *) }, verified: nil)
  }
}

/// Why adapters cannot be exported by themselves.
public enum AdapterExportError: Error, Equatable, CustomStringConvertible {
  /// The model has no adapters.
  case none(source: String)
  /// Some roles were trained fully, which adapters cannot express.
  case fullyTrained(source: String, roles: [String])
  /// The run has a device limit, which a folder of PEFT's has no place for.
  case losesLimit(source: String, destination: String, routing: String)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .none(let source):
      "\(source): expected a checkpoint with adapters, found none in it; try converting it without --adapter"
    case .fullyTrained(let source, let roles):
      "\(source): expected a run that trained adapters alone, found \(roles.joined(separator: ", ")) trained fully; try "
        + "converting it without --adapter, which merges everything"
    case .losesLimit(let source, let destination, let routing):
      "\(destination): expected adapters of a run without a device limit, found \(routing) in \(source), which PEFT does "
        + "not know; try --allow-unlimited for the adapters alone, or converting without --adapter to keep the limit"
    }
  }
}
