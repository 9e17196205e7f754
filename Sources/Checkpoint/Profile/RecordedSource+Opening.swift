internal import Files
public import Profiles

extension RecordedSource {
  /// Opens a file of recorded routing of any kind: JSON lines, a `.npy` array, or a profile.
  ///
  /// - Parameter path: The file; its first bytes tell what it is.
  /// - Throws: ``FileError`` for a damaged profile, `RecordedRoutingError` for everything else.
  public init(opening path: String) throws {
    let file = try MappedFile(path, expected: "a recording")
    let isHDF5 = withExtendedLifetime(file) { file.bytes.starts(with: [0x89] + Array("HDF\r\n".utf8)) }
    if isHDF5 {
      self.init(file: path, contents: .profile(try ProfileFile.read(path)))
    } else {
      try self.init(path: path)
    }
  }
}
