public import Files
internal import Foundation
internal import Models

/// A model copied from one file format to another: HDF5 checkpoint or hub folder, told from the paths.
///
/// Weights keep their bits unless a type is asked for. What only one format can hold (recipe, state of a run) goes
/// along between checkpoints. A folder holds a limit together with the code that applies it; an export that would lose
/// the limit silently is an error unless that is asked for.
public struct Conversion: Sendable, Equatable {
  /// What is read: a `.h5` file or a folder.
  public var source: String
  /// What is written: a `.h5` file or a folder.
  public var destination: String
  /// Type of all parameters; each one's own if nil.
  public var dtype: ElementType?
  /// How weights lie in an HDF5 destination.
  public var weightLayout: WeightLayout
  /// Names of experts in a folder.
  public var expertLayout: HuggingFaceLayout
  /// Largest safetensors file of a folder, in bytes.
  public var maximumShardBytes: Int
  /// Whether both are read again and compared.
  public var verifies: Bool
  /// Whether a model under a device limit may be exported to a folder without the limit.
  public var allowsUnlimited: Bool
  /// Whether a folder also gets the code by which transformers applies placement and limit.
  public var writesCode: Bool
  /// Whether a folder also gets the Python files that the source brings along, which transformers would run.
  public var carriesCode: Bool
  /// Whether experts are put in the order of their devices, so that contiguous groups are devices.
  public var bakesPlacement: Bool
  /// Whether a destination that exists is replaced.
  public var overwrites: Bool

  /// A conversion; see the properties.
  public init(
    source: String, destination: String, dtype: ElementType? = nil, weightLayout: WeightLayout = .chunked(),
    expertLayout: HuggingFaceLayout = .perExpert, maximumShardBytes: Int = 5_000_000_000, verifies: Bool = false,
    allowsUnlimited: Bool = false, writesCode: Bool = false, carriesCode: Bool = false, bakesPlacement: Bool = false,
    overwrites: Bool = false
  ) {
    (self.source, self.destination, self.dtype) = (source, destination, dtype)
    (self.weightLayout, self.expertLayout, self.maximumShardBytes) = (weightLayout, expertLayout, maximumShardBytes)
    (self.verifies, self.allowsUnlimited, self.overwrites) = (verifies, allowsUnlimited, overwrites)
    (self.writesCode, self.carriesCode, self.bakesPlacement) = (writesCode, carriesCode, bakesPlacement)
  }

  /// What was written.
  public struct Outcome: Sendable, Equatable {
    /// Number of parameters.
    public let tensors: Int
    /// Bytes of their elements in the destination.
    public let bytes: Int
    /// Parameters read again and found equal; nil where that was not asked for.
    public let verified: Int?
    /// Python files of the source that a folder did not get.
    public var leftOut: [String] = []
  }

  /// Reads, writes, and verifies if asked to.
  ///
  /// - Parameters:
  ///   - program: Name and version for `created_by`.
  ///   - progress: Told the bytes done, written and verified ones alike, and how many there are.
  /// - Returns: What was written.
  /// - Throws: ``ConversionError``, ``FileError``, `FolderError` or `ConfigurationError`; the destination is then as it
  ///   was before.
  public func run(program: String, progress: @escaping (Int, Int) -> Void = { _, _ in }) throws -> Outcome {
    try check()
    let files = try ModelFiles(opening: source)
    if let base = files.base { try checkApart(base.path) }
    let intoCheckpoint = ModelFiles.isHDF5(destination)
    var extras = intoCheckpoint ? try extras(files) : CheckpointExtras(files)
    var origin: any ParameterBytes = files
    if bakesPlacement {
      let placement = try placementToBake(files)
      origin = BakedPlacement(base: files, placement: placement)
      extras.routing?.placement = try placement.contiguous
    }
    var leftOut: [String] = []
    if !intoCheckpoint {
      if !carriesCode { leftOut = extras.leaveOutCode() }
      try addCode(to: &extras, files)
    }
    let parameters = try files.inventory()
    let bytes = parameters.reduce(0) { $0 + $1.count * (dtype ?? $1.type).byteCount }
    var done = 0
    let count = { (passed: Int) in
      done += passed
      progress(done, verifies ? 2 * bytes : bytes)
    }
    let weights = CountedBytes(base: origin, count: count)
    if intoCheckpoint {
      try CheckpointWriter.write(
        destination, weights: weights, dtype: dtype, layout: weightLayout, extras: extras, program: program)
    } else {
      try HuggingFaceWriter.write(
        destination, weights: weights, dtype: dtype, layout: expertLayout, maximumShardBytes: maximumShardBytes,
        extras: extras, overwrites: overwrites, program: program)
    }
    return Outcome(
      tensors: parameters.count,
      bytes: bytes,
      verified: verifies ? try compare(with: origin, count) : nil, leftOut: leftOut)
  }

  /// Reads both again; folders with a manifest are compared with that as well.
  private func compare(with origin: any ParameterBytes, _ count: (Int) -> Void) throws -> Int {
    for folder in [source, destination] where !ModelFiles.isHDF5(folder) {
      try FolderManifest(in: folder)?.verify(folder)
    }
    return try Verification.compare(
      try ModelFiles(opening: destination), with: origin, named: source, dtype: dtype, progress: count)
  }

  func check() throws {
    try checkApart(source)
    guard ModelFiles.isHDF5(destination) else { return try PendingFolder.check(destination, overwrites: overwrites) }
    let manager = FileManager.default
    var isFolder: ObjCBool = false
    guard manager.fileExists(atPath: destination, isDirectory: &isFolder) else { return }
    if isFolder.boolValue, (try? manager.contentsOfDirectory(atPath: destination))?.isEmpty == true { return }
    if !overwrites { throw FolderError.exists(path: destination) }
  }

  /// What is read may not be overwritten: a source, or the base of a partial checkpoint.
  private func checkApart(_ path: String) throws {
    let place = { (path: String) in URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path }
    if place(path) == place(destination) { throw ConversionError.samePlace(path: destination) }
  }

  /// What a checkpoint carries besides weights goes into the new one.
  private func extras(_ files: ModelFiles) throws -> CheckpointExtras {
    var extras = CheckpointExtras(files)
    guard ModelFiles.isHDF5(source) else { return extras }
    extras.recipeYAML = try ModelFiles.recipe(of: source)
    // What is merged cannot be trained on from the moments of its adapters.
    if files.adapters == nil, try HDF5Reader(source).contains("training") {
      extras.training = try TrainingState(readingFrom: source)
    }
    return extras
  }
}

/// The bytes of parameters, counted as they pass.
private struct CountedBytes: ParameterBytes {
  let base: any ParameterBytes
  /// Told the bytes of every piece.
  let count: (Int) -> Void

  func inventory() throws(FileError) -> [StoredParameter] { try base.inventory() }

  func withBytes(
    _ parameter: StoredParameter, as type: ElementType, _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
  ) throws(FileError) {
    try base.withBytes(parameter, as: type) { (bytes) throws(FileError) in
      try body(bytes)
      count(bytes.count)
    }
  }
}
