/// Small text files, written crash-safe: under a temporary name, synced, renamed.
public enum TextFile {
  /// Writes a file as a whole.
  ///
  /// - Parameters:
  ///   - text: Its contents.
  ///   - path: Its name; a file of that name stays as it was until the new one is complete.
  /// - Throws: ``FileError``.
  public static func write(_ text: String, to path: String) throws(FileError) {
    try PendingFile.write(text, to: path)
  }

  /// Files that are read as a whole are no longer: the largest tokenizers have 40 MB.
  package static let maximumBytes = 268_435_456

  package static func tooLong(_ path: String, _ bytes: Int) -> FileError {
    .invalid(path: path, item: nil, expected: "at most \(maximumBytes) bytes", found: "\(bytes)")
  }

  /// Reads a file as a whole.
  ///
  /// - Parameter path: Its name.
  /// - Returns: Its contents.
  /// - Throws: ``FileError``, also where the bytes are not UTF-8 or more than 256 MiB.
  public static func read(_ path: String) throws(FileError) -> String {
    let mapped = try MappedFile(path)
    guard mapped.bytes.count <= maximumBytes else { throw tooLong(path, mapped.bytes.count) }
    guard let text = String(validating: mapped.bytes, as: UTF8.self) else {
      throw .invalid(path: path, item: nil, expected: "UTF-8 text", found: "other bytes")
    }
    return text
  }
}
