internal import Formats

/// Text of a file in YAML.
enum YAMLFile {
  /// Longest text that is parsed, in bytes: several times the longest recipe or task, and read in well under a second.
  static let mostBytes = 1 << 20

  /// A file that is no such text: what was found in its place, in words.
  struct Failure: Error {
    let found: String
    /// Whether nothing of that name is there.
    var isMissing = false
    /// What was expected beyond text in UTF-8, in words to put behind these.
    var limit = ""
  }

  /// Reads a file.
  static func text(_ path: String) throws(Failure) -> String {
    let bytes: [UInt8]
    do throws(InputFileError) {
      bytes = try InputFile.bytes(path, most: mostBytes)
    } catch {
      let isMissing = error.found == "none"
      throw Failure(found: isMissing ? "no such file" : error.found, isMissing: isMissing, limit: error.limit)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure(found: "a file that cannot be read as text")
    }
    return text
  }
}
