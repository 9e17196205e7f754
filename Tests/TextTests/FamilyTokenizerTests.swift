import Foundation
import Testing

@testable import Text

/// Tokenizers with the pipelines of the model families, against Hugging Face tokenizers and SentencePiece.
@Suite struct FamilyTokenizerTests {
  struct Golden: Decodable {
    struct Model: Decodable {
      let ids: [[Int32]]
      let surroundings: [Int32]
      let decoded: [String?]
      let loose_ids: [[Int32]]
      let loose_decoded: [String]
      let loose_skipped: [String]
    }
    let texts: [String]
    let models: [String: Model]
    let pieces: [[Int32]]
  }

  static let golden = Result { try JSONDecoder().decode(Golden.self, from: Fixtures.data("family-golden.json")) }

  static let names = [
    "qwen", "llama3", "o200k", "deepseek", "deepseek_coder", "deepseek_v3", "llama2", "mistral", "metaspace", "odd",
  ]

  static func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(json: Fixtures.data("families/\(name).tokenizer.json"), source: name)
  }

  private func same(_ a: String, _ b: String) -> Bool { a.unicodeScalars.elementsEqual(b.unicodeScalars) }

  @Test(arguments: names)
  func equalsHuggingFaceTokenizers(name: String) throws {
    let golden = try Self.golden.get()
    let model = try #require(golden.models[name])
    let tokenizer = try Self.tokenizer(name)
    #expect(golden.texts.count == model.ids.count && golden.texts.count > 200)
    #expect(tokenizer.encode("", addSpecialTokens: true) == model.surroundings)
    for (index, text) in golden.texts.enumerated() {
      #expect(tokenizer.encode(text) == model.ids[index], "\(name), text \(index): \(text.debugDescription)")
      #expect(
        tokenizer.encode(text, addSpecialTokens: true) == tokenizer.prefix + model.ids[index] + tokenizer.suffix)
      #expect(same(tokenizer.decode(model.ids[index]), model.decoded[index] ?? text), "\(name), text \(index)")
    }
    for (index, ids) in model.loose_ids.enumerated() {
      #expect(same(tokenizer.decode(ids), model.loose_decoded[index]), "\(name): \(ids)")
      #expect(same(tokenizer.decode(ids, skipSpecial: true), model.loose_skipped[index]), "\(name): \(ids)")
    }
  }

  @Test func equalsSentencePiece() throws {
    let golden = try Self.golden.get()
    let tokenizer = try Tokenizer(sentencePiece: Fixtures.data("families/tiny.model"), source: "tiny.model")
    #expect(tokenizer.prefix == [] && tokenizer.suffix == [] && tokenizer.beginning == 1)
    #expect(tokenizer.specialTokens == [0, 1, 2] && tokenizer.vocabularySize == 900)
    var compared = 0
    // Special tokens that are spelled in a text are characters to SentencePiece, tokens to transformers and to us.
    for (text, ids) in zip(golden.texts, golden.pieces) where !["<s>", "</s>", "<unk>"].contains(where: text.contains) {
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      compared += 1
    }
    #expect(compared > 190)
    // What a checkpoint carries gives the same tokens again.
    let again = try Tokenizer(json: tokenizer.json, source: "json")
    #expect(golden.texts.allSatisfy { again.encode($0) == tokenizer.encode($0) })
    // And the same as the file that Hugging Face made of the model.
    let llama = try Self.tokenizer("llama2")
    #expect(golden.texts.allSatisfy { llama.encode($0) == tokenizer.encode($0) })
  }

  /// The first turn of a text gets the space before it, later ones do not; where a file puts it everywhere they do.
  @Test func textThatContinues() throws {
    let first = try Self.tokenizer("mistral")
    #expect(first.decode(first.encode("the")) == "the" && first.encode("the") == first.encode(" the"))
    let (start, later) = (first.encode("the"), first.encode("the", continues: true))
    #expect(start != later && later.flatMap(first.bytes) == Array("the".utf8))
    #expect(start.flatMap(first.bytes) == Array(" the".utf8))
    let always = try Self.tokenizer("llama2")
    #expect(always.encode("the") == always.encode("the", continues: true))
    let whole = first.encode("the</s>the")
    #expect(whole == start + [2] + later)
  }

  @Test func composedAndDecomposedPiecesAreDifferentTokens() throws {
    let json = """
      {"added_tokens": [], "decoder": {"type": "Fuse"}, "pre_tokenizer": null, "model": {"type": "BPE", "merges": \
      [["e", "\u{301}"]], "vocab": {"e": 0, "\u{301}": 1, "e\u{301}": 2, "\u{E9}": 3, "?": 4}, "unk_token": "?", \
      "fuse_unk": FUSE}}
      """
    let tokenizer = try Tokenizer(json: Data(json.replacing("FUSE", with: "true").utf8), source: "t.json")
    #expect(tokenizer.encode("e\u{301}\u{E9}e") == [2, 3, 0])
    #expect(tokenizer.id(of: "\u{E9}") == 3 && tokenizer.id(of: "e\u{301}") == 2)
    #expect(tokenizer.encode("xye") == [4, 0])
    let apart = try Tokenizer(json: Data(json.replacing("FUSE", with: "false").utf8), source: "t.json")
    #expect(apart.encode("xye") == [4, 4, 0])
    let silent = json.replacing("FUSE", with: "false").replacing(#""unk_token": "?""#, with: #""unk_token": null"#)
    #expect(try Tokenizer(json: Data(silent.utf8), source: "t.json").encode("xye") == [0])
  }

  /// Beside a `tokenizer.json` its post-processor decides what stands around a text, as in transformers 5; where there
  /// is a `tokenizer.model` alone, `tokenizer_config.json` does.
  @Test func configuration() throws {
    func tokenizer(_ name: String, _ configuration: String) throws -> Tokenizer {
      try Tokenizer(
        json: Fixtures.data("families/\(name).tokenizer.json"), source: name,
        sides: TokenizerSides(configuration: Data(configuration.utf8)))
    }
    let begin = #""bos_token": {"content": "<｜begin▁of▁sentence｜>"}, "eos_token": "<｜end▁of▁sentence｜>""#
    let deepseek = try tokenizer("deepseek", "{\(begin), \"add_bos_token\": true, \"add_eos_token\": false}")
    #expect(deepseek.prefix == [] && deepseek.suffix == [] && deepseek.beginning == 0)
    #expect(deepseek.notes.count == 1)
    let llama = try tokenizer("llama2", #"{"bos_token": "<s>", "add_bos_token": false}"#)
    #expect(llama.prefix == [1] && llama.beginning == 1)
    #expect(try tokenizer("llama2", #"{"bos_token": null, "add_bos_token": true}"#).beginning == nil)

    func made(_ configuration: String?) throws -> Tokenizer {
      try Tokenizer(
        sentencePiece: Fixtures.data("families/tiny.model"), source: "tiny",
        sides: TokenizerSides(configuration: configuration.map { Data($0.utf8) }))
    }
    #expect(try made(nil).prefix == [] && made(nil).suffix == [])
    let both = try made(#"{"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": true, "add_eos_token": true}"#)
    #expect(both.prefix == [1] && both.suffix == [2])
    #expect(try made(#"{"bos_token": "<s>", "add_bos_token": false}"#).prefix == [])
    #expect(try made(#"{"bos_token": null, "add_bos_token": true}"#).prefix == [])
  }
}
