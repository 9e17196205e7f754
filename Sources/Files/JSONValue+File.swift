package import Formats

extension JSONValue {
  /// Parses a file, or a part of one.
  ///
  /// - Parameters:
  ///   - bytes: The text.
  ///   - file: Its name, for messages.
  ///   - item: The part; messages name the byte if nil.
  ///   - start: Bytes of the file before the text.
  /// - Returns: The value.
  /// - Throws: `FileError`, also for a key that comes again.
  package static func parse(
    _ bytes: [UInt8], file: String, item: String? = nil, start: Int = 0
  ) throws(FileError) -> JSONValue {
    var parser = JSONParser(bytes)
    do throws(JSONError) {
      return try parser.document()
    } catch {
      throw .invalid(
        path: file, item: item ?? "byte \(start + error.offset)", expected: "JSON with every key once",
        found: error.reason)
    }
  }

  package static func parse(_ text: String, file: String, item: String? = nil) throws(FileError) -> JSONValue {
    try parse(Array(text.utf8), file: file, item: item)
  }
}

extension KnownKeys {
  /// Throws for the first problem of an object's keys.
  ///
  /// - Throws: ``FileError/unsupported(path:item:expected:found:)``.
  package func check(_ json: JSONValue, _ path: String) throws(FileError) {
    guard let problem = problems(in: json).first else { return }
    throw .unsupported(path: path, item: problem.key, expected: problem.expected, found: problem.found)
  }
}
