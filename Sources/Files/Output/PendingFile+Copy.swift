extension PendingFile {
  /// Bytes that are copied at a time.
  private static let pieceBytes = 8 << 20

  /// Copies a file as a whole: a file of the new name stays as it was until the copy is complete and on disk.
  ///
  /// - Throws: `FileError`.
  package static func copy(_ source: String, to path: String) throws(FileError) {
    let original = try MappedFile(source)
    let copy = try PendingFile(path, expected: "a file")
    let memory = PageMemory(pieceBytes)
    var done = 0
    while done < original.bytes.count {
      let piece = memory.prefix(min(pieceBytes, original.bytes.count - done))
      try original.read(at: done, into: piece)
      try copy.write(UnsafeRawBufferPointer(piece), at: done)
      done += piece.count
    }
    try copy.commit()
  }
}
