internal import Files
internal import Models
internal import Synchronization

/// A partial checkpoint over its base model: stored roles come from the one, all others from the other.
final class PartialSource: TensorSource {
  let path: String
  let checkpoint: CheckpointReader
  private let reference: BaseReference
  private let base: ModelFiles
  /// Names of the parameters that the checkpoint has to hold.
  private let stored: Set<String>
  private let isBaseVerified = Mutex(false)

  /// Opens the base model and compares its size.
  ///
  /// - Throws: ``FileError/base(path:base:expected:found:)``, or what is wrong with the base's own files.
  init(_ checkpoint: CheckpointReader, over reference: BaseReference) throws {
    (path, self.checkpoint, self.reference) = (checkpoint.path, checkpoint, reference)
    let bytes = BaseReference.weightBytes(reference.path)
    guard bytes == reference.bytes else {
      throw FileError.base(
        path: path, base: reference.path, expected: "of \(reference.bytes) bytes",
        found: bytes.map { "one of \($0)" } ?? "nothing of that name")
    }
    base = try ModelFiles(opening: reference.path, asBaseOf: path)
    stored = Set(
      ModelFamily.parameters(checkpoint.configuration).map(\.path).filter { reference.stored.contains($0.role) }
        .map(\.name))
  }

  func type(of name: String, shape: [Int]) throws(FileError) -> ElementType {
    try source(of: name).type(of: name, shape: shape)
  }

  var tensorCount: Int { get throws(FileError) { try checkpoint.tensorCount + base.source.tensorCount } }
  var unused: [String] { base.unused }

  func read(
    _ name: String, shape: [Int], rows: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(FileError) {
    if !stored.contains(name) { try verifyBase() }
    try source(of: name).read(name, shape: shape, rows: rows, into: buffer)
  }

  func map(_ name: String, verifying: Bool) throws(FileError) -> MappedArray? {
    if !stored.contains(name) { try verifyBase() }
    return try source(of: name).map(name, verifying: verifying)
  }

  func unexpected(besides parameters: [(name: String, shape: [Int])]) throws(FileError) -> [String] {
    _ = try base.inventory()  // strangers in the base are named as such
    return try checkpoint.unexpected(besides: parameters.filter { stored.contains($0.name) })
  }

  private func source(of name: String) -> any TensorSource { stored.contains(name) ? checkpoint : base.source }

  /// Compares the base with what it was when the run began, once; other threads wait for it.
  private func verifyBase() throws(FileError) {
    let result = isBaseVerified.withLock { (done) -> Result<Void, FileError> in
      if done { return .success(()) }
      do throws(FileError) { try compareBase() } catch { return .failure(error) }
      done = true
      return .success(())
    }
    try result.get()
  }

  private func compareBase() throws(FileError) {
    let checksum = try base.checksum()
    guard checksum == reference.checksum else {
      throw .base(
        path: path, base: reference.path, expected: "with \(BaseReference.words(reference.checksum))",
        found: "one with \(BaseReference.words(checksum))")
    }
  }
}
