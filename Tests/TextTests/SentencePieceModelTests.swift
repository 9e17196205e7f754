import Formats
import Foundation
import Testing

@testable import Text

/// `tokenizer.model` by itself: what AutoTokenizer makes of one, and models that are refused, written here field by
/// field.
@Suite struct SentencePieceModelTests {
  private static func varint(_ value: UInt64) -> [UInt8] {
    value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + varint(value >> 7)
  }

  private static func integer(_ number: UInt64, _ value: UInt64) -> [UInt8] { varint(number << 3) + varint(value) }

  private static func bytes(_ number: UInt64, _ value: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(value.count)) + value
  }

  private static func piece(_ text: String, _ kind: UInt64 = 1, score: Float = 0) -> [UInt8] {
    let bits = score.bitPattern
    let fixed = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
    return bytes(1, bytes(1, Array(text.utf8)) + [0x15] + fixed + integer(3, kind))
  }

  private static let trainer = integer(3, 2) + integer(35, 1)
  private static let normaliser = integer(4, 0)
  private static let byteTokens: [UInt8] = (0..<256).flatMap { byte in
    piece(String(format: "<0x%02X>", byte), 6)
  }
  private static let start = piece("<unk>", 2) + piece("<s>", 3) + piece("</s>", 3) + byteTokens

  private static func model(
    _ pieces: [UInt8], trainer: [UInt8] = trainer, normaliser: [UInt8] = normaliser, more: [UInt8] = []
  ) -> Data {
    Data(pieces + bytes(2, trainer) + bytes(3, normaliser) + more)
  }

  @Test func scoresDecideNotTheOrderOfPieces() throws {
    let letters = piece("a", score: -9) + piece("b", score: -9) + piece("c", score: -9) + piece("▁", score: -9)
    func ids(_ ab: Float, _ bc: Float) throws -> [String?] {
      let data = Self.model(Self.start + letters + Self.piece("ab", score: ab) + Self.piece("bc", score: bc))
      let tokenizer = try Tokenizer(sentencePiece: data, source: "m")
      return tokenizer.encode("abc").map(tokenizer.piece)
    }
    #expect(try ids(-1, -2) == ["▁", "ab", "c"])
    #expect(try ids(-2, -1) == ["▁", "a", "bc"])
  }

  /// What the files beside a `tokenizer.model` say, against AutoTokenizer.
  @Test func equalsAutoTokenizer() throws {
    var parser = JSONParser([UInt8](try Fixtures.data("piece-golden.json")))
    let golden = try parser.document()
    func list(_ value: JSONValue?) -> [JSONValue] {
      if case .array(let values)? = value { values } else { [] }
    }
    func numbers(_ value: JSONValue) -> [Int32] { list(value).compactMap(\.integer).map(Int32.init) }
    let texts = list(golden["texts"]).compactMap(\.string)
    #expect(list(golden["cases"]).count == 16 && texts.count == 72)
    for (index, wanted) in list(golden["cases"]).enumerated() {
      let configuration = wanted["configuration"].flatMap { $0 == .null ? nil : $0.text() }
      let type = wanted["model_type"]?.string ?? ""
      let sides = TokenizerSides(
        texts: configuration.map { ["tokenizer_config.json": $0] } ?? [:],
        configurationJSON: #"{"model_type": "\#(type)"}"#)
      let tokenizer = try Tokenizer(
        sentencePiece: Fixtures.data("families/tiny.model"), source: "tokenizer.model", sides: sides)
      #expect(tokenizer.beginning == wanted["beginning"]?.integer.map(Int32.init), "case \(index)")
      for (text, (ids, decoded)) in zip(texts, zip(list(wanted["ids"]), list(wanted["decoded"]))) {
        let found = tokenizer.encode(text, addSpecialTokens: true)
        #expect(found == numbers(ids), "case \(index): \(text.debugDescription)")
        #expect(tokenizer.decode(found) == decoded.string, "case \(index): \(text.debugDescription)")
      }
      let isSaid = tokenizer.notes.contains { $0.contains("no token is put before a text") }
      #expect(isSaid == !(configuration ?? "").contains("add_bos_token"))
    }
  }

  private func piece(_ text: String, score: Float) -> [UInt8] { Self.piece(text, score: score) }

  @Test func spaceBeforeAndBeginningAreOptional() throws {
    let pieces = Self.start + Self.piece("a") + Self.piece("▁")
    let bare = Self.model(
      pieces, trainer: Self.trainer + Self.integer(41, UInt64(bitPattern: -1)),
      normaliser: Self.normaliser + Self.integer(3, 0))
    let tokenizer = try Tokenizer(sentencePiece: bare, source: "m")
    #expect(tokenizer.encode("a a") == [259, 260, 259])
    #expect(tokenizer.decode([260, 259]) == " a" && tokenizer.beginning == nil)
    let usual = try Tokenizer(sentencePiece: Self.model(pieces), source: "m")
    #expect(usual.encode("a a", addSpecialTokens: true) == [260, 259, 260, 259] && usual.beginning == 1)
    #expect(usual.decode([260, 259]) == "a")
  }

  static let refused: [(data: Data, message: String)] = [
    (Data(), "m: pieces: expected a tokenizer.model of SentencePiece, found none"),
    (Data([0x0A]), "m: byte 1: expected a tokenizer.model of SentencePiece, found the end of the file inside a number"),
    (
      Data([0x0A, 0x7F, 1]),
      "m: byte 2: expected a tokenizer.model of SentencePiece, found a field of 127 bytes where 1 are left"
    ),
    (Data([0x0B]), "m: byte 1: expected a tokenizer.model of SentencePiece, found wire type 3"),
    (
      Data(repeating: 0xFF, count: 20),
      "m: byte 10: expected a tokenizer.model of SentencePiece, found a number of more than ten bytes"
    ),
    (model(start, trainer: integer(35, 1)), "m: trainer_spec.model_type: UNIGRAM is not supported; expected BPE"),
    (model(start, trainer: integer(3, 2)), "m: trainer_spec.byte_fallback: false is not supported; expected true"),
    (
      model(start, trainer: trainer + integer(24, 1)),
      "m: trainer_spec.treat_whitespace_as_suffix: true is not supported; expected false"
    ),
    (
      model(start, normaliser: normaliser + bytes(2, [1])),
      "m: normalizer_spec.precompiled_charsmap: a map of characters is not supported; expected none (identity)"
    ),
    (
      model(start, normaliser: []),
      "m: normalizer_spec.remove_extra_whitespaces: true is not supported; expected false"
    ),
    (
      model(start, normaliser: normaliser + integer(5, 0)),
      "m: normalizer_spec.escape_whitespaces: false is not supported; expected true"
    ),
    (
      model(start + piece("x", 4)),
      "m: pieces[259]: the type userDefined of 'x' is not supported; expected normal, control, unknown or byte"
    ),
    (model(start + piece("x") + piece("x")), "m: pieces[260]: expected a piece of its own, found 'x'"),
    (model(start + piece("x", score: .nan)), "m: pieces[259]: expected a piece of its own, found 'x'"),
    (
      model(start + piece("x") + piece("xy")),
      "m: pieces[260]: 'xy' without a piece for 'y' is not supported; expected a piece for every character"
    ),
    (
      model(piece("a")),
      "m: model.vocab: expected a token for every byte, as byte_fallback needs, found none for '<0x00>'"
    ),
  ]

  @Test(arguments: refused.indices)
  func refuses(index: Int) {
    let (data, message) = Self.refused[index]
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(sentencePiece: data, source: "m") }
    #expect(error?.description == message)
  }

  @Test func truncatedFile() throws {
    let good = try Fixtures.data("families/tiny.model")
    for count in stride(from: 1, to: good.count, by: 997) {
      #expect(throws: TokenizerError.self) { try Tokenizer(sentencePiece: good.prefix(count), source: "m") }
    }
  }
}
