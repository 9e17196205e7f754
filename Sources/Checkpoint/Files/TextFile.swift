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
}
