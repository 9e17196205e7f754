internal import Foundation

/// What a `tokenizer.json` says, checked: everything in it is either understood or refused.
struct TokenizerFile {
  struct AddedToken {
    let id: Int32
    let content: String
    let isSpecial: Bool
    let isNormalised: Bool
  }

  let vocabularySize: Int
  /// All tokens, added ones included.
  let vocabulary: [String: Int32]
  let addedTokens: [AddedToken]
  let merges: BytePairMerges
  /// Whether text is brought to normal form C.
  let composes: Bool

  init(json: Data, source: String) throws(TokenizerError) {
    var parser = JSONParser([UInt8](json))
    let root: JSONValue
    do throws(JSONError) {
      root = try parser.document()
    } catch {
      throw .syntax(source: source, line: error.line, column: error.column, reason: error.reason)
    }
    let file = Section(value: root, source: source, path: "")
    try file.allow([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
      "model",
    ])
    try file.expectNull("truncation")
    try file.expectNull("padding")
    composes = try Self.composes(file)
    try Self.checkPreTokenizer(file)
    try Self.checkPostProcessor(file)
    try file.section("decoder").expectType("ByteLevel")

    let model = try file.section("model")
    try Self.checkModel(model)
    var vocabulary = try Self.vocabulary(model)
    merges = try Self.merges(model, vocabulary)
    addedTokens = try Self.addedTokens(file)
    for token in addedTokens {
      if let id = vocabulary[token.content], id != token.id {
        throw file.invalid("added_tokens", "'\(token.content)' to have its id in the vocabulary, \(id)", "\(token.id)")
      }
      vocabulary[token.content] = token.id
    }
    self.vocabulary = vocabulary
    vocabularySize = Int(vocabulary.values.max() ?? -1) + 1
  }

  /// Ids above are taken for damage, since tables are as long as the largest: no vocabulary has a million tokens.
  private static let largestID = 1 << 20

  private static func composes(_ file: Section) throws(TokenizerError) -> Bool {
    guard let normaliser = file.optionalSection("normalizer") else { return false }
    try normaliser.expectType("NFC", or: "null")
    return true
  }

  private static func checkPreTokenizer(_ file: Section) throws(TokenizerError) {
    let pre = try file.section("pre_tokenizer")
    if pre.type == "Sequence", case .array(let steps)? = pre.value["pretokenizers"] {
      let split = steps.first { $0["type"] == .string("Split") }?["pattern"]?["Regex"]?.string
      let feature = split.map { "a Split by the pattern \($0)" } ?? "a Sequence"
      throw pre.unsupported("type", feature, "ByteLevel with its own pattern")
    }
    try pre.expectType("ByteLevel")
    try pre.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
    try pre.expect("add_prefix_space", false, default: true)
    try pre.expect("use_regex", true, default: true)
  }

  private static func checkPostProcessor(_ file: Section) throws(TokenizerError) {
    guard let post = file.optionalSection("post_processor") else { return }
    try post.expectType("ByteLevel", or: "TemplateProcessing without tokens", also: ["TemplateProcessing"])
    guard post.type == "TemplateProcessing" else { return }
    guard case .array(let single)? = post.value["single"], single.count == 1, single[0]["Sequence"] != nil else {
      throw post.unsupported("single", "a template that puts tokens around the text", "the sequence alone")
    }
  }

  private static func checkModel(_ model: Section) throws(TokenizerError) {
    try model.expectType("BPE")
    try model.allow([
      "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
      "ignore_merges", "vocab", "merges",
    ])
    // The unknown token is never used: every byte of UTF-8 has a token of its own, which is checked.
    try model.expectNull("dropout")
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] where model.value[key] != .string("") {
      try model.expectNull(key)
    }
    try model.expect("byte_fallback", false, default: false)
    try model.expect("ignore_merges", false, default: false)
  }

  private static func vocabulary(_ model: Section) throws(TokenizerError) -> [String: Int32] {
    guard case .object(let members)? = model.value["vocab"] else {
      throw model.invalid("vocab", "an object from token to id", model.value["vocab"]?.kind ?? "none")
    }
    var vocabulary = [String: Int32](minimumCapacity: members.count + 64)
    for member in members {
      vocabulary[member.key] = try id(member.value, model, "vocab['\(member.key)']")
    }
    return vocabulary
  }

  private static func id(_ value: JSONValue?, _ section: Section, _ key: String) throws(TokenizerError) -> Int32 {
    guard let id = value?.integer, (0..<largestID).contains(id) else {
      throw section.invalid(key, "an id below \(largestID)", value?.kind ?? "none")
    }
    return Int32(id)
  }

  private static func merges(
    _ model: Section, _ vocabulary: [String: Int32]
  ) throws(TokenizerError) -> BytePairMerges {
    guard case .array(let rows)? = model.value["merges"] else {
      throw model.invalid("merges", "a list of pairs", model.value["merges"]?.kind ?? "none")
    }
    var merges = [UInt64: BytePairMerges.Merge](minimumCapacity: rows.count)
    for (rank, row) in rows.enumerated() {
      guard let (left, right) = pair(row) else {
        throw model.invalid("merges[\(rank)]", "two tokens, as \"a b\" or [\"a\", \"b\"]", row.kind)
      }
      guard let leftID = vocabulary[left], let rightID = vocabulary[right], let id = vocabulary[left + right] else {
        throw model.invalid("merges[\(rank)]", "tokens of the vocabulary", "'\(left)' + '\(right)'")
      }
      // A pair that is listed twice has the later rank, as in the library.
      merges[BytePairMerges.key(leftID, rightID)] = .init(rank: UInt32(rank), id: id)
    }
    var byteIDs = [Int32](repeating: -1, count: 256)
    for (byte, scalar) in ByteLevelAlphabet.scalars.enumerated() {
      byteIDs[byte] = vocabulary[String(Character(scalar))] ?? -1
      let occurs = !(0xC0...0xC1).contains(byte) && byte < 0xF5
      if byteIDs[byte] < 0, occurs {
        throw model.invalid("vocab", "a token for every byte", "none for byte \(byte), '\(scalar)'")
      }
    }
    return BytePairMerges(byteIDs: byteIDs, merges: merges)
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

  private static func addedTokens(_ file: Section) throws(TokenizerError) -> [AddedToken] {
    guard let value = file.value["added_tokens"], value != .null else { return [] }
    guard case .array(let rows) = value else { throw file.invalid("added_tokens", "a list", value.kind) }
    var tokens: [AddedToken] = []
    for (index, row) in rows.enumerated() {
      let token = Section(value: row, source: file.source, path: "added_tokens[\(index)]")
      try token.allow(["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
      for key in ["single_word", "lstrip", "rstrip"] { try token.expect(key, false, default: false) }
      guard let content = row["content"]?.string, !content.isEmpty else {
        throw token.invalid("content", "a text", row["content"]?.kind ?? "none")
      }
      let isSpecial = row["special"]?.bool ?? false
      tokens.append(
        AddedToken(
          id: try id(row["id"], token, "id"), content: content, isSpecial: isSpecial,
          isNormalised: row["normalized"]?.bool ?? !isSpecial))
    }
    return tokens
  }
}

/// An object of the file that knows its path, for messages.
private struct Section {
  let value: JSONValue
  let source: String
  let path: String

  var type: String? { value["type"]?.string }

  private func name(_ key: String) -> String { path.isEmpty ? key : path + "." + key }

  func invalid(_ key: String, _ expected: String, _ found: String) -> TokenizerError {
    .invalid(source: source, key: name(key), expected: expected, found: found)
  }

  func unsupported(_ key: String, _ feature: String, _ supported: String) -> TokenizerError {
    .unsupported(source: source, key: name(key), feature: feature, supported: supported)
  }

  func optionalSection(_ key: String) -> Section? {
    guard let child = value[key], child != .null else { return nil }
    return Section(value: child, source: source, path: name(key))
  }

  func section(_ key: String) throws(TokenizerError) -> Section {
    guard let section = optionalSection(key) else { throw .missing(source: source, key: name(key)) }
    return section
  }

  /// Refuses keys that are not known: they might change the tokens.
  func allow(_ keys: Set<String>) throws(TokenizerError) {
    guard case .object(let members) = value else {
      throw .invalid(source: source, key: path.isEmpty ? "(the whole)" : path, expected: "an object", found: value.kind)
    }
    for member in members where !keys.contains(member.key) {
      throw unsupported(member.key, "this key", "one of \(keys.sorted().joined(separator: ", "))")
    }
  }

  func expectNull(_ key: String) throws(TokenizerError) {
    if let found = value[key], found != .null { throw unsupported(key, found.kind, "null") }
  }

  func expect(_ key: String, _ expected: Bool, default: Bool) throws(TokenizerError) {
    let found = value[key] ?? .bool(`default`)
    if found != .bool(expected) { throw unsupported(key, found.kind, "\(expected)") }
  }

  func expectType(_ type: String, or other: String? = nil, also others: [String] = []) throws(TokenizerError) {
    guard let found = self.type else {
      // Files of old versions name the model by its keys alone.
      if path == "model", value["vocab"] != nil, value["merges"] != nil { return }
      throw .missing(source: source, key: name("type"))
    }
    if found != type, !others.contains(found) {
      throw unsupported("type", "'\(found)'", ([type] + (other.map { [$0] } ?? [])).joined(separator: " or "))
    }
  }
}
