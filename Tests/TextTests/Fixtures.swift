import Foundation
import Testing

@testable import Text

/// Files beside the tests.
enum Fixtures {
  static let oracles = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Oracles")

  static func data(_ name: String) throws -> Data { try Data(contentsOf: oracles.appending(path: name)) }

  /// Read once: OLMoE's file has fifty thousand merges.
  static let base = Result { try Tokenizer(json: data("base.tokenizer.json"), source: "base.tokenizer.json") }
  static let olmoe = Result { try Tokenizer(json: data("olmoe.tokenizer.json"), source: "olmoe.tokenizer.json") }
}

/// A folder that is removed at the end of its test.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/occult-text-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    return file
  }
}
