internal import Formats
internal import Foundation

/// What a `tokenizer.json` says, checked: everything in it is either understood or refused.
struct TokenizerFile {
  /// Tokens of the model, without added ones.
  let vocabulary: [ExactText: Int32]
  /// Added tokens in their order, with the ids that the file would give them.
  let addedTokens: [(id: Int32, token: AddedToken)]
  let model: WordModel
  let normaliser: Normaliser?
  let preTokenizer: PreTokenizer
  let decoder: PieceDecoder
  let surroundings: Surroundings

  /// The token of a stored `padding`, which has no other effect here.
  let paddingToken: String?
  /// What is accepted and means nothing here.
  let notes: [String]

  init(_ value: JSONValue, source: String) throws(TokenizerError) {
    let file = TokenizerSection(value: value, source: source, path: "")
    try file.allow([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
      "model",
    ])
    if let version = try file.optionalText("version"), version != "1.0" {
      throw file.unsupported("version", "'\(version)'", "'1.0'")
    }
    var notes: [String] = []
    for (key, keys) in Self.shapes {
      guard let section = file.optionalSection(key) else { continue }
      try section.allow(keys)
      notes.append("\(source): \(key): stored with the tokenizer, without effect here")
    }
    self.notes = notes
    paddingToken = file.value["padding"]?["pad_token"]?.string
    normaliser = try Self.normaliser(file)
    let (steps, isByteLevel) = try Self.preTokenizer(file)
    preTokenizer = PreTokenizer(steps: steps)
    surroundings = try Self.surroundings(file)
    decoder = try Self.decoder(file)

    let section = try file.section("model")
    try Self.checkModel(section)
    vocabulary = try Self.vocabulary(section)
    model = try Self.model(section, vocabulary, isByteLevel: isByteLevel)
    addedTokens = try Self.addedTokens(file)
  }

  /// How long texts become, which is for callers to say.
  private static let shapes: [(key: String, keys: Set<String>)] = [
    ("truncation", ["direction", "max_length", "strategy", "stride"]),
    ("padding", ["strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"]),
  ]

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

  /// Keys of `model`.
  static let modelKeys: Set = [
    "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
    "ignore_merges", "vocab", "merges",
  ]

  private static func checkModel(_ model: TokenizerSection) throws(TokenizerError) {
    // Files of old versions name the model by its keys alone.
    let isUntyped = model.type == nil && model.value["vocab"] != nil && model.value["merges"] != nil
    if !isUntyped {
      let type = try model.requiredType()
      if type != "BPE" { throw model.unsupported("type", "'\(type)'", "BPE") }
    }
    try model.allow(modelKeys)
    if model.value["dropout"] != .integer(0), model.value["dropout"] != .number(0) { try model.expectNull("dropout") }
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
    guard case .array(var rows)? = model.value["merges"] else {
      throw model.invalid("merges", "a list of pairs", model.value["merges"]?.kind ?? "none")
    }
    rows.removeAll { $0.string?.hasPrefix("#version") ?? false }
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
    let fallback = fallsBack ? byteFallback(vocabulary) : nil
    let isComplete = fallback.map(coversText) ?? false
    return WordModel(
      alphabet: isByteLevel ? byteAlphabet(vocabulary) : .scalars(scalarIDs(vocabulary)),
      merges: BytePairMerges(merges), byteFallback: fallback, unknown: try unknown(model, vocabulary),
      fusesUnknown: try model.bool("fuse_unk", default: false), wholeWords: ignoresMerges ? vocabulary : nil,
      joints: !isByteLevel && isComplete && !ignoresMerges ? joints : nil)
  }

  private static func byteAlphabet(_ vocabulary: [ExactText: Int32]) -> WordModel.Alphabet {
    let tokens = ByteLevelAlphabet.scalars.map { vocabulary[ExactText(String(Character($0)))] ?? -1 }
    return .bytes(tokens, isComplete: coversText(tokens))
  }

  /// Whether every byte that UTF-8 may contain has a token.
  private static func coversText(_ tokens: [Int32]) -> Bool {
    tokens.indices.allSatisfy { tokens[$0] >= 0 || (0xC0...0xC1).contains($0) || $0 >= 0xF5 }
  }

  private static func byteFallback(_ vocabulary: [ExactText: Int32]) -> [Int32] {
    (0..<256).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return vocabulary[ExactText("<0x" + (digits.count == 1 ? "0" : "") + digits + ">")] ?? -1
    }
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

  private static func addedTokens(
    _ file: TokenizerSection
  ) throws(TokenizerError) -> [(id: Int32, token: AddedToken)] {
    guard let value = file.value["added_tokens"], value != .null else { return [] }
    var tokens: [(Int32, AddedToken)] = []
    for token in try file.sections("added_tokens") {
      tokens.append((try id(token.value["id"], token, "id"), try token.token(isSpecial: false)))
    }
    return tokens
  }
}
