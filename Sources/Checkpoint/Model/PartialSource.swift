internal import Models

/// A partial checkpoint over its base model: stored roles come from the one, all others from the other.
final class PartialSource: TensorSource {
  let path: String
  private let checkpoint: CheckpointReader
  private let reference: BaseReference
  private let base: ModelFiles
  /// Names of the parameters that the checkpoint has to hold.
  private let stored: Set<String>
  private var isBaseVerified = false

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

  func read(_ name: String, shape: [Int], into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
    if !stored.contains(name) { try verifyBase() }
    try source(of: name).read(name, shape: shape, into: buffer)
  }

  func unexpected(besides names: [String]) throws(FileError) -> [String] {
    _ = try base.inventory()  // strangers in the base are named as such
    return try checkpoint.unexpected(besides: names.filter(stored.contains))
  }

  private func source(of name: String) -> any TensorSource { stored.contains(name) ? checkpoint : base.source }

  /// Compares the base with what it was when the run began, once.
  private func verifyBase() throws(FileError) {
    if isBaseVerified { return }
    let checksum = try base.checksum()
    guard checksum == reference.checksum else {
      throw .base(
        path: path, base: reference.path, expected: "with \(BaseReference.words(reference.checksum))",
        found: "one with \(BaseReference.words(checksum))")
    }
    isBaseVerified = true
  }
}
