import Foundation
import Testing

@testable import Text

@Suite struct TokenizerTests {
  struct Golden: Decodable {
    struct Model: Decodable {
      let ids: [[Int32]]
      let decoded: [String?]
      let skipped: [String?]
      let loose_ids: [[Int32]]
      let loose_decoded: [String]
    }
    let texts: [String]
    let models: [String: Model]
  }

  static let golden = Result { try JSONDecoder().decode(Golden.self, from: Fixtures.data("tokenizer-golden.json")) }

  static func tokenizer(_ name: String) throws -> Tokenizer {
    try (name == "base" ? Fixtures.base : Fixtures.olmoe).get()
  }

  /// Equality of scalars: `==` on strings takes composed and decomposed for equal.
  private func same(_ a: String, _ b: String) -> Bool { a.unicodeScalars.elementsEqual(b.unicodeScalars) }

  @Test(arguments: ["base", "olmoe"])
  func equalsHuggingFaceTokenizers(name: String) throws {
    let golden = try Self.golden.get()
    let model = try #require(golden.models[name])
    let tokenizer = try Self.tokenizer(name)
    #expect(golden.texts.count == model.ids.count && golden.texts.count > 400)
    for (index, text) in golden.texts.enumerated() {
      #expect(tokenizer.encode(text) == model.ids[index], "\(name), text \(index): \(text.debugDescription)")
      let decoded = tokenizer.decode(model.ids[index])
      #expect(same(decoded, model.decoded[index] ?? text), "\(name), text \(index)")
      let skipped = tokenizer.decode(model.ids[index], skipSpecial: true)
      #expect(same(skipped, model.skipped[index] ?? text), "\(name), text \(index)")
    }
    for (ids, text) in zip(model.loose_ids, model.loose_decoded) {
      #expect(same(tokenizer.decode(ids), text), "\(name): \(ids)")
    }
  }

  @Test func knowsItsTokens() throws {
    let base = try Self.tokenizer("base")
    #expect(base.vocabularySize == 4096)
    #expect(base.specialTokens == [0, 1])
    #expect(base.id(of: "<|endoftext|>") == 0)
    #expect(base.piece(0) == "<|endoftext|>")
    #expect(base.id(of: "Ġthe") == 262 && base.piece(262) == "Ġthe" && base.bytes(of: 262) == Array(" the".utf8))
    #expect(base.piece(4096) == nil && base.piece(-1) == nil && base.id(of: "no such piece") == nil)
    #expect(base.decode([4096, -1]) == "")
    let olmoe = try Self.tokenizer("olmoe")
    #expect(olmoe.vocabularySize == 50280)
    #expect(olmoe.specialTokens == [1, 50279])
    #expect(try olmoe.json == Fixtures.data("olmoe.tokenizer.json"))
  }

  @Test func aVeryLongWordIsNotQuadratic() throws {
    let base = try Self.tokenizer("base")
    let text = String(repeating: "a", count: 300_000)
    #expect(base.decode(base.encode(text)) == text)
  }

  @Test func concurrentCallersAgree() async throws {
    let base = try Self.tokenizer("base")
    let texts = try Self.golden.get().texts
    let expected = texts.map { base.encode($0) }
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<6 { group.addTask { texts.map { base.encode($0) } == expected } }
      for await same in group { #expect(same) }
    }
  }

  @Test func cacheForgetsAndStaysRight() throws {
    let base = try Self.tokenizer("base")
    // More different words than the cache holds.
    let words = (0..<40_000).map { " w\($0)" }
    let once = base.encode(words.joined())
    #expect(once == base.encode(words.joined()))
    #expect(base.decode(once) == words.joined())
  }

  @Test func mergesSpelledAsStrings() throws {
    var file = try #require(
      JSONSerialization.jsonObject(with: Fixtures.data("base.tokenizer.json")) as? [String: Any])
    var model = try #require(file["model"] as? [String: Any])
    model["merges"] = try #require(model["merges"] as? [[String]]).map { $0.joined(separator: " ") }
    file["model"] = model
    let strings = try Tokenizer(json: JSONSerialization.data(withJSONObject: file), source: "strings")
    let text = "The old man sat by the fire, didn't he?"
    #expect(try strings.encode(text) == Self.tokenizer("base").encode(text))
  }

  @Test func kindsOfScalars() {
    let splitter = GPT2Splitter()
    let kinds: [(UInt32, GPT2Splitter.Kind)] = [
      (0x20, .space), (0x85, .space), (0x200B, .other), (0x3000, .space), (0x41, .letter), (0xAA, .letter),
      (0xB2, .number), (0x4E2D, .letter), (0x301, .other), (0x1F600, .other), (0x10FFFF, .other), (0, .other),
    ]
    for (scalar, kind) in kinds { #expect(splitter.kind(scalar) == kind, "\(String(scalar, radix: 16))") }
  }
}
