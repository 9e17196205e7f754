internal import Formats
internal import Foundation

/// What a `tokenizer.json` says, checked: everything in it is either understood or refused.
struct TokenizerFile {
  struct AddedToken {
    let id: Int32
    let content: String
    let isSpecial: Bool
    let isNormalised: Bool
    let rules: AddedTokens.Rules
  }

  let vocabularySize: Int
  /// All tokens, added ones included.
  let vocabulary: [ExactText: Int32]
  let addedTokens: [AddedToken]
  let model: WordModel
  let normaliser: Normaliser?
  let preTokenizer: PreTokenizer
  let decoder: PieceDecoder
  let surroundings: Surroundings

  init(json: Data, source: String) throws(TokenizerError) {
    let file = TokenizerSection(value: try Self.parse(json, source: source), source: source, path: "")
    try file.allow([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
      "model",
    ])
    try file.expectNull("truncation")
    try file.expectNull("padding")
    normaliser = try Self.normaliser(file)
    let (steps, isByteLevel) = try Self.preTokenizer(file)
    preTokenizer = PreTokenizer(steps: steps)
    surroundings = try Self.surroundings(file)
    decoder = try Self.decoder(file)

    let section = try file.section("model")
    try Self.checkModel(section)
    var vocabulary = try Self.vocabulary(section)
    model = try Self.model(section, vocabulary, isByteLevel: isByteLevel)
    addedTokens = try Self.addedTokens(file)
    for token in addedTokens {
      if let id = vocabulary[ExactText(token.content)], id != token.id {
        throw file.invalid("added_tokens", "'\(token.content)' to have its id in the vocabulary, \(id)", "\(token.id)")
      }
      vocabulary[ExactText(token.content)] = token.id
    }
    self.vocabulary = vocabulary
    vocabularySize = Int(vocabulary.values.max() ?? -1) + 1
    for id in surroundings.prefix + surroundings.suffix where id >= vocabularySize {
      throw file.invalid("post_processor", "tokens of the vocabulary", "the id \(id)")
    }
  }

  static func parse(_ json: Data, source: String) throws(TokenizerError) -> JSONValue {
    var parser = JSONParser([UInt8](json))
    do throws(JSONError) {
      return try parser.document()
    } catch {
      throw .syntax(source: source, line: error.line, column: error.column, reason: error.reason)
    }
  }

  /// Ids above are taken for damage, since tables are as long as the largest: no vocabulary has a million tokens.
  private static let largestID = 1 << 20

  private static func checkModel(_ model: TokenizerSection) throws(TokenizerError) {
    // Files of old versions name the model by its keys alone.
    let isUntyped = model.type == nil && model.value["vocab"] != nil && model.value["merges"] != nil
    if !isUntyped {
      let type = try model.requiredType()
      if type != "BPE" { throw model.unsupported("type", "'\(type)'", "BPE") }
    }
    try model.allow([
      "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
      "ignore_merges", "vocab", "merges",
    ])
    try model.expectNull("dropout")
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] where model.value[key] != .string("") {
      try model.expectNull(key)
    }
  }

  private static func vocabulary(_ model: TokenizerSection) throws(TokenizerError) -> [ExactText: Int32] {
    guard case .object(let members)? = model.value["vocab"] else {
      throw model.invalid("vocab", "an object from token to id", model.value["vocab"]?.kind ?? "none")
    }
    var vocabulary = [ExactText: Int32](minimumCapacity: members.count + 64)
    for member in members {
      vocabulary[ExactText(member.key)] = try id(member.value, model, "vocab['\(member.key)']")
    }
    return vocabulary
  }

  static func id(_ value: JSONValue?, _ section: TokenizerSection, _ key: String) throws(TokenizerError) -> Int32 {
    guard let id = value?.integer, (0..<largestID).contains(id) else {
      throw section.invalid(key, "an id below \(largestID)", value?.kind ?? "none")
    }
    return Int32(id)
  }

  private static func model(
    _ model: TokenizerSection, _ vocabulary: [ExactText: Int32], isByteLevel: Bool
  ) throws(TokenizerError) -> WordModel {
    guard case .array(let rows)? = model.value["merges"] else {
      throw model.invalid("merges", "a list of pairs", model.value["merges"]?.kind ?? "none")
    }
    let fallsBack = try model.bool("byte_fallback", default: false)
    let ignoresMerges = try model.bool("ignore_merges", default: false)
    var merges = [UInt64: BytePairMerges.Merge](minimumCapacity: rows.count)
    var joints = Joints()
    for (rank, row) in rows.enumerated() {
      guard let (left, right) = pair(row) else {
        throw model.invalid("merges[\(rank)]", "two tokens, as \"a b\" or [\"a\", \"b\"]", row.kind)
      }
      guard let leftID = vocabulary[ExactText(left)], let rightID = vocabulary[ExactText(right)],
        let id = vocabulary[ExactText(left + right)]
      else {
        throw model.invalid("merges[\(rank)]", "tokens of the vocabulary", "'\(left)' + '\(right)'")
      }
      // A pair that is listed twice has the later rank, as in the library.
      merges[BytePairMerges.key(leftID, rightID)] = .init(rank: UInt32(rank), id: id)
      joints.insert(left, right)
    }
    let fallback = fallsBack && !isByteLevel ? try byteFallback(model, vocabulary) : nil
    return WordModel(
      alphabet: isByteLevel ? .bytes(try byteIDs(model, vocabulary)) : .scalars(scalarIDs(vocabulary)),
      merges: BytePairMerges(merges), byteFallback: fallback, unknown: try unknown(model, vocabulary),
      fusesUnknown: try model.bool("fuse_unk", default: false), wholeWords: ignoresMerges ? vocabulary : nil,
      joints: !isByteLevel && fallback != nil && !ignoresMerges ? joints : nil)
  }

  private static func byteIDs(
    _ model: TokenizerSection, _ vocabulary: [ExactText: Int32]
  ) throws(TokenizerError) -> [Int32] {
    var byteIDs = [Int32](repeating: -1, count: 256)
    for (byte, scalar) in ByteLevelAlphabet.scalars.enumerated() {
      byteIDs[byte] = vocabulary[ExactText(String(Character(scalar)))] ?? -1
      let occurs = !(0xC0...0xC1).contains(byte) && byte < 0xF5
      if byteIDs[byte] < 0, occurs {
        throw model.invalid("vocab", "a token for every byte", "none for byte \(byte), '\(scalar)'")
      }
    }
    return byteIDs
  }

  private static func byteFallback(
    _ model: TokenizerSection, _ vocabulary: [ExactText: Int32]
  ) throws(TokenizerError) -> [Int32] {
    var ids: [Int32] = []
    for byte in 0..<256 {
      let digits = String(byte, radix: 16, uppercase: true)
      let piece = "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
      guard let id = vocabulary[ExactText(piece)] else {
        throw model.invalid("vocab", "a token for every byte, as byte_fallback needs", "none for '\(piece)'")
      }
      ids.append(id)
    }
    return ids
  }

  private static func scalarIDs(_ vocabulary: [ExactText: Int32]) -> [UInt32: Int32] {
    var ids: [UInt32: Int32] = [:]
    for (piece, id) in vocabulary {
      let scalars = piece.text.unicodeScalars
      if let scalar = scalars.first, scalars.count == 1 { ids[scalar.value] = id }
    }
    return ids
  }

  private static func unknown(
    _ model: TokenizerSection, _ vocabulary: [ExactText: Int32]
  ) throws(TokenizerError) -> Int32? {
    guard let value = model.value["unk_token"], value != .null else { return nil }
    guard let piece = value.string, let id = vocabulary[ExactText(piece)] else {
      throw model.invalid("unk_token", "a token of the vocabulary", value.kind)
    }
    return id
  }

  private static func pair(_ row: JSONValue) -> (String, String)? {
    switch row {
    case .string(let text):
      let parts = text.split(separator: " ", omittingEmptySubsequences: false)
      return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    case .array(let parts):
      guard parts.count == 2, let left = parts[0].string, let right = parts[1].string else { return nil }
      return (left, right)
    default:
      return nil
    }
  }

  private static func addedTokens(_ file: TokenizerSection) throws(TokenizerError) -> [AddedToken] {
    guard let value = file.value["added_tokens"], value != .null else { return [] }
    var tokens: [AddedToken] = []
    for token in try file.sections("added_tokens") {
      try token.allow(["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
      guard let content = token.value["content"]?.string, !content.isEmpty else {
        throw token.invalid("content", "a text", token.value["content"]?.kind ?? "none")
      }
      let isSpecial = try token.bool("special", default: false)
      tokens.append(
        AddedToken(
          id: try id(token.value["id"], token, "id"), content: content, isSpecial: isSpecial,
          isNormalised: try token.bool("normalized", default: !isSpecial),
          rules: AddedTokens.Rules(
            isSingleWord: try token.bool("single_word", default: false),
            takesSpaceBefore: try token.bool("lstrip", default: false),
            takesSpaceBehind: try token.bool("rstrip", default: false))))
    }
    return tokens
  }
}
