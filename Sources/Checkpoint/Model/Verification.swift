public import Files

/// Compares what was written with where it came from.
public enum Verification {
  /// Reads both again and compares type, shape and CRC-32C of every parameter.
  ///
  /// - Parameters:
  ///   - copy: What was written.
  ///   - original: Where it came from.
  ///   - dtype: Type that all parameters were converted to; nil if each kept its own.
  ///   - progress: Told the bytes of every part of the copy that was read.
  /// - Returns: Number of parameters compared.
  /// - Throws: ``FileError`` naming the first parameter that differs.
  public static func compare(
    _ copy: ModelFiles, with original: ModelFiles, dtype: ElementType? = nil, progress: (Int) -> Void = { _ in }
  ) throws(FileError) -> Int {
    try compare(copy, with: original, named: original.path, dtype: dtype, progress: progress)
  }

  /// The same with parameters that may be in another order than in their file.
  static func compare(
    _ copy: ModelFiles, with original: any ParameterBytes, named name: String, dtype: ElementType?,
    progress: (Int) -> Void
  ) throws(FileError) -> Int {
    let (written, expected) = (try copy.inventory(), try original.inventory())
    for (found, wanted) in zip(written, expected) {
      let type = dtype ?? wanted.type
      guard found.path == wanted.path, found.type == type else {
        throw .type(
          path: copy.path, item: found.path.name, expected: "\(wanted.path.name) as \(type)",
          found: found.type.description)
      }
      let (a, b) = (
        try checksum(copy, found, type, progress), try checksum(original, wanted, type) { _ in }
      )
      guard a == b else {
        throw .corrupted(
          path: copy.path, item: found.path.name, reason: "CRC-32C \(a) where \(name) gives \(b)")
      }
    }
    guard written.count == expected.count else {
      throw .invalid(
        path: copy.path, item: nil, expected: "\(expected.count) parameters", found: "\(written.count)")
    }
    return written.count
  }

  private static func checksum(
    _ files: any ParameterBytes, _ parameter: StoredParameter, _ type: ElementType, _ progress: (Int) -> Void
  ) throws(FileError) -> UInt32 {
    var crc = CRC32C()
    try files.withBytes(parameter, as: type) { (bytes) throws(FileError) in
      crc.update(bytes)
      progress(bytes.count)
    }
    return crc.value
  }
}

extension ModelFiles {
  /// CRC-32C of the configuration and every parameter's bytes, in the order of the module tree: identity of the
  /// weights.
  ///
  /// - Throws: ``FileError`` when a tensor cannot be read.
  public func checksum() throws(FileError) -> UInt32 {
    var crc = CRC32C()
    for parameter in try inventory() {
      try withBytes(parameter, as: parameter.type) { (bytes) throws(FileError) in crc.update(bytes) }
    }
    for byte in configuration.json.utf8 { withUnsafeBytes(of: byte) { crc.update($0) } }
    return crc.value
  }
}
