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
