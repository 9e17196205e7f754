internal import Files
internal import Foundation
internal import Models
internal import Tensors

/// Adapters that PEFT wrote, as a checkpoint over their base model.
public struct AdapterImport: Sendable, Equatable {
  /// A folder with `adapter_config.json` and `adapter_model.safetensors`.
  public var source: String
  /// The model that they were trained over: a checkpoint or a hub folder.
  public var base: String
  /// The checkpoint that is written.
  public var destination: String
  /// Whether a destination that exists is replaced.
  public var overwrites: Bool

  /// An import; see the properties.
  public init(source: String, base: String, destination: String, overwrites: Bool = false) {
    (self.source, self.base, self.destination, self.overwrites) = (source, base, destination, overwrites)
  }

  /// Whether a path is a folder of PEFT's.
  public static func isAdapter(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: (path as NSString).appendingPathComponent("adapter_config.json"))
  }

  /// Writes the checkpoint: factors alone, the rest is read from the base.
  ///
  /// - Parameter program: Name and version for `created_by`.
  /// - Returns: How many tensors and bytes.
  /// - Throws: ``ConversionError``, ``FileError`` or `ConfigurationError`.
  public func run(program: String) throws -> Conversion.Outcome {
    try Conversion(source: source, destination: destination, overwrites: overwrites).check()
    try Conversion(source: base, destination: destination, overwrites: overwrites).check()
    let files = try ModelFiles(opening: base)
    guard files.base == nil, files.adapters == nil else {
      throw FileError.base(
        path: source, base: base, expected: "that is complete and without adapters", found: "another")
    }
    let inventory = try files.inventory()
    let factors = Factors(
      folder: try PEFTFolder(opening: source, over: inventory, modelType: files.configuration.modelType),
      base: inventory.map { ($0.path, $0.shape) })
    var extras = CheckpointExtras(files)
    extras.base = try BaseReference(files, stored: [])
    extras.adapters = factors.folder.settings
    try CheckpointWriter.write(destination, weights: factors, extras: extras, program: program)
    let written = try factors.inventory()
    return Conversion.Outcome(
      tensors: written.count, bytes: written.reduce(0) { $0 + $1.byteCount }, verified: nil)
  }

  /// The factors as parameters to write.
  private struct Factors: ParameterBytes {
    let folder: PEFTFolder
    let base: [(path: ParameterPath, shape: [Int])]

    func inventory() throws(FileError) -> [StoredParameter] {
      folder.settings.parameters(over: base).map { StoredParameter(path: $0.path, shape: $0.shape, type: .float32) }
    }

    func withBytes(
      _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
      try folder.factor(parameter.path, parameter.shape).withBytes(as: type, named: parameter.path.name, body)
    }
  }
}
