package import Formats

/// Values of a data file: a list of them, or one a line.
package enum JSONRows {
  /// The bytes of a file without a byte-order mark, checked to be UTF-8 and not blank.
  ///
  /// - Throws: ``DataError``.
  package static func bytes(of file: String) throws(DataError) -> [UInt8] {
    var bytes: [UInt8]
    do {
      bytes = try InputFile.bytes(file)
    } catch {
      throw .unreadable(path: file, reason: error.found)
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    guard bytes.contains(where: { !isSpace($0) }) else { throw .emptyFile(path: file) }
    if String(validating: bytes, as: UTF8.self) == nil {
      let lines = bytes.split(separator: newline, omittingEmptySubsequences: false)
      let bad = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
      throw .encoding(path: file, line: bad + 1)
    }
    return bytes
  }

  private static let newline = UInt8(ascii: "\n")
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  /// Hands over each value with the line on which it begins; lines that are blank are skipped.
  ///
  /// - Parameters:
  ///   - bytes: The file's content, a JSON list or a JSON value a line.
  ///   - file: Its name, for messages.
  ///   - body: Told each value.
  /// - Throws: ``DataError``.
  package static func read(
    _ bytes: [UInt8], file: String, _ body: (JSONValue, Int) throws(DataError) -> Void
  ) throws(DataError) {
    if bytes.first(where: { !isSpace($0) }) == UInt8(ascii: "[") {
      var parser = JSONParser(bytes)
      let error = try parser.elements { (value, line) throws(DataError) in try body(value, line) }
      if let error { throw .broken(path: file, line: error.line, column: error.column, reason: error.reason) }
      return
    }
    var start = 0
    var line = 1
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: newline) ?? bytes.count
      if bytes[start..<end].contains(where: { !isSpace($0) }) {
        var parser = JSONParser(bytes, range: start..<end, line: line)
        let value: JSONValue
        do throws(JSONError) {
          value = try parser.document()
        } catch {
          throw .broken(path: file, line: error.line, column: error.column, reason: error.reason)
        }
        try body(value, line)
      }
      start = end + 1
      line += 1
    }
  }
}
