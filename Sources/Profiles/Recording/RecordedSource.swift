public import Foundation
internal import Formats

/// One file of recorded routing.
public struct RecordedSource: Sendable {
  /// What is in a file.
  public enum Contents: Sendable {
    /// Text with one JSON object a line:
    ///
    ///     {"type": "meta", "num_experts": 64, "top_k": 8, …}                                        optional, first
    ///     {"type": "route", "layer": 0, "topk_ids": [3, 17, …], "topk_weights": [0.2, …], "req_id": "r0"}
    ///
    /// `type` and `req_id` may be left out; lines of one `req_id` are one document.
    case lines(Data)
    /// Experts of every token and layer, `[tokens, layers, k]`, as vLLM and SGLang return them in `routed_experts`: one
    /// document, without weights. A layer of zeros only is a dense one, which SGLang has in its arrays.
    case array(NumPyArray)
    /// The recorded sets of another profile; what it counted beyond them is left out.
    case profile(CollaborationProfile)
  }

  /// Its name, for messages.
  public let file: String
  /// What is in it.
  public let contents: Contents

  /// Longest file of JSON that is decoded as a whole, in bytes.
  static let mostJSON = 1 << 30

  /// A file that was read already.
  ///
  /// - Parameters:
  ///   - file: its name, for messages.
  ///   - contents: what is in it.
  public init(file: String, contents: Contents) {
    (self.file, self.contents) = (file, contents)
  }

  /// Reads JSON lines or an array, told apart by their first bytes.
  ///
  /// - Parameter path: the file.
  /// - Throws: `RecordedRoutingError` for files that are neither.
  public init(path: String) throws(RecordedRoutingError) {
    let data: Data
    do {
      data = try InputFile.mapped(path)
    } catch {
      throw .unreadable(file: path, found: error.found)
    }
    if data.starts(with: [0x1F, 0x8B]) {
      throw .foreign(file: path, found: "gzip data", advice: "unpacking it: gunzip --keep '\(path)'")
    }
    if data.starts(with: Array("PK\u{3}\u{4}".utf8)) {
      throw .foreign(
        file: path, found: "a zip archive (.npz is one)", advice: "numpy.save for each of its arrays, one a file")
    }
    if data.starts(with: [0x89] + Array("HDF\r\n".utf8)) {
      throw .foreign(file: path, found: "an HDF5 file", advice: "'occult profile --routing', which reads profiles too")
    }
    let isArray = data.starts(with: NumPyArray.magic)
    self.init(file: path, contents: isArray ? .array(try NumPyArray(data, file: path)) : .lines(data))
  }
}
