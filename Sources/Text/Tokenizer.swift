internal import Formats
public import Foundation

/// A BPE tokenizer, read from the `tokenizer.json` of Hugging Face tokenizers and equal to it in every token.
///
/// Text becomes tokens in six steps, each as in the library and as the file says:
///
/// 1. added tokens that are matched verbatim (such as `<|endoftext|>`) are cut out, leftmost and longest first;
/// 2. the rest is normalised (``Normaliser``);
/// 3. added tokens that are matched in normalised text (such as runs of spaces) are cut out;
/// 4. the rest is cut into words (``PreTokenizer``);
/// 5. the bytes or scalars of each word are merged pair by pair, lowest rank first (``WordModel``);
/// 6. if the caller wishes, the file's template puts tokens around the whole (``prefix``, ``suffix``).
public struct Tokenizer: Sendable {
  /// Largest token id + 1: the fewest rows an embedding must have.
  public let vocabularySize: Int
  /// Tokens that mean something to the model rather than stand for text, by rising id.
  public let specialTokens: [Int32]
  /// Tokens that stand before a text, such as `<s>`; none for many models.
  public let prefix: [Int32]
  /// Tokens that stand behind a text; none for most models.
  public let suffix: [Int32]
  /// The token that begins a text, whether or not it is in ``prefix``; `nil` if the model has none.
  public let beginning: Int32?
  /// Where the model's files have a chat template, in words; `nil` if they have none. It is never evaluated: a
  /// ``PromptTemplate`` takes its place.
  public let chatTemplate: String?
  /// What a person should know of the files: keys that are not known, settings that mean nothing here. Each is
  /// complete.
  public let notes: [String]
  /// Where the class that transformers takes differs from what `tokenizer.json` says: the tokens are those of
  /// transformers, so that nobody has to act.
  public let remarks: [String]

  private let source: Source
  private let ids: [ExactText: Int32]
  private let pieces: [String?]
  private let pieceBytes: [[UInt8]]
  private let isSpecial: [Bool]
  private let isAdded: [Bool]
  private let verbatim: AddedTokens
  private let normalised: AddedTokens
  private let normaliser: Normaliser?
  private let preTokenizer: PreTokenizer
  private let model: WordModel
  private let decoder: PieceDecoder
  private let pool = EncoderPool()

  /// Reads a `tokenizer.json` and what stands beside it, as `AutoTokenizer` of transformers 5.24 does.
  ///
  /// - Parameters:
  ///   - json: content of the file.
  ///   - source: name of the file, for messages.
  ///   - sides: what stands beside it.
  /// - Throws: ``TokenizerError`` for text that is not such a file, and for every feature not supported here.
  public init(json: Data, source: String, sides: TokenizerSides = TokenizerSides()) throws(TokenizerError) {
    try self.init(json: json, source: source, sides: sides, model: nil)
  }

  /// The same, for a file that was made of a `tokenizer.model`, if there is one. Then `add_bos_token` and
  /// `add_eos_token` say what stands around a text; beside a `tokenizer.json` its post-processor does, and they are not
  /// heeded.
  init(json: Data, source: String, sides: TokenizerSides, model piece: SentencePieceModel?) throws(TokenizerError) {
    let isMade = piece != nil
    let value = try TokenizerFile.parse(json, source: source)
    let configuration = try TokenizerConfiguration(sides, source: source)
    let kind = try Self.kind(json, configuration, sides, source: source, isMade: isMade)
    if let model = TokenizerSection(value: value, source: source, path: "").optionalSection("model") {
      try model.allow(TokenizerFile.modelKeys)  // also those that the class sets anew
    }
    let (rebuilt, differs) = kind.rebuilt(
      value, addPrefixSpace: configuration.addPrefixSpace, isLegacy: configuration.isLegacy ?? false)
    let file = try TokenizerFile(rebuilt, source: source)
    var added = AddedVocabulary(model: file.vocabulary, normaliser: file.normaliser)
    if kind == .file { added.add(file.addedTokens.map(\.token)) }
    let (more, names) = configuration.additions(
      to: added, file: file.addedTokens, kind,
      defaults: kind.defaults.isEmpty ? piece?.namedTokens ?? [] : kind.defaults,
      padding: file.paddingToken)
    added.add(more)

    vocabularySize = Int(max(file.vocabulary.values.max() ?? -1, added.tokens.keys.max() ?? -1)) + 1
    var pieces = [String?](repeating: nil, count: vocabularySize)
    var isAdded = [Bool](repeating: false, count: vocabularySize)
    var (verbatim, normalised) = (AddedTokens(), AddedTokens())
    for (piece, id) in file.vocabulary { pieces[Int(id)] = piece.text }
    // Where two are one text after normalising, the later one counts.
    for (id, token) in added.tokens.sorted(by: { $0.key < $1.key }) {
      isAdded[Int(id)] = true
      var rules = token.rules
      rules.isText = configuration.splitsSpecialTokens && added.special.contains(ExactText(token.content))
      let spelling = added.spellings[id] ?? token.content
      if token.isNormalised {
        // Nothing is found by a token that is normalised away.
        if !spelling.isEmpty { normalised.insert(Array(spelling.utf8), id: id, rules: rules) }
      } else {
        verbatim.insert(Array(token.content.utf8), id: id, rules: rules)
      }
      pieces[Int(id)] = spelling
    }
    let surroundings = try Self.surroundings(file, configuration, names, added, source: source, isMade: isMade)
    for id in surroundings.prefix + surroundings.suffix where id >= vocabularySize {
      throw .invalid(
        source: source, key: "post_processor", expected: "tokens of the vocabulary", found: "the id \(id)")
    }
    self.source = Source(json: json)
    (prefix, suffix) = (surroundings.prefix, surroundings.suffix)
    beginning = names["bos_token"].flatMap(added.id) ?? (sides.configuration == nil ? surroundings.prefix.first : nil)
    chatTemplate = configuration.chatTemplate
    notes =
      file.notes + configuration.notes
      + Self.notes(file, configuration, kind, added, surroundings, source: source, isMade: isMade)
    remarks = isMade ? [] : Self.remarks(kind, differs, source: source)
    ids = file.vocabulary.merging(added.ids) { $1 }
    pieceBytes = pieces.map { $0.map(file.decoder.bytes(ofSingle:)) ?? [] }
    let isSpecial = pieces.map { $0.map { added.special.contains(ExactText($0)) } ?? false }
    specialTokens = isSpecial.indices.filter { isSpecial[$0] }.map(Int32.init)
    self.isSpecial = isSpecial
    model = file.model
    normaliser = file.normaliser
    preTokenizer = file.preTokenizer
    decoder = file.decoder
    self.pieces = pieces
    self.isAdded = isAdded
    self.verbatim = verbatim
    self.normalised = normalised
  }

  /// The bytes this tokenizer was read from, to be stored with a model.
  public var json: Data { source.json }

  /// The tokens of a text.
  ///
  /// - Parameters:
  ///   - text: Any text.
  ///   - addSpecialTokens: Whether ``prefix`` and ``suffix`` are put around it, as transformers does unless told not
  ///     to.
  ///   - continues: Whether other text stands before it, so that it gets no space that only the beginning gets.
  /// - Returns: Their ids.
  public func encode(_ text: String, addSpecialTokens: Bool = false, continues: Bool = false) -> [Int32] {
    var ids = addSpecialTokens ? prefix : []
    let bytes = Array(text.utf8)
    ids.reserveCapacity(bytes.count / 3 + 1)
    var state = pool.take()
    defer { pool.putBack(state) }
    verbatim.split(bytes) { (range, id) in
      if let id {
        ids.append(id)
      } else {
        encode(normalising: bytes[range], isBeginning: range.lowerBound == 0 && !continues, &state, &ids)
      }
    }
    return addSpecialTokens ? ids + suffix : ids
  }

  /// The text of tokens; bytes that are not UTF-8 become U+FFFD, ids without a token nothing.
  ///
  /// With `skipSpecial`, ``specialTokens`` are left out.
  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool = false) -> String {
    let known = ids.filter { id in
      pieces.indices.contains(Int(id)) && pieces[Int(id)] != nil && !(skipSpecial && isSpecial[Int(id)])
    }
    if decoder.isByteLevel {
      return String(decoding: known.flatMap { pieceBytes[Int($0)] }, as: UTF8.self)
    }
    return String(decoding: decoder.bytes(of: known.compactMap { pieces[Int($0)] }), as: UTF8.self)
  }

  /// A token as the vocabulary spells it (`Ġthe` for " the"), `nil` for an id without a token.
  public func piece(_ id: Int32) -> String? {
    pieces.indices.contains(Int(id)) ? pieces[Int(id)] : nil
  }

  /// The id of a token as the vocabulary spells it.
  public func id(of piece: String) -> Int32? { ids[ExactText(piece)] }

  /// The id of a token that is cut out of the text wherever it is spelled, `nil` if there is no such added token.
  public func addedToken(_ piece: String) -> Int32? {
    ids[ExactText(piece)].flatMap { isAdded[Int($0)] ? $0 : nil }
  }

  /// The bytes that a token adds in the midst of a text, empty for an id without a token.
  public func bytes(of id: Int32) -> [UInt8] {
    pieceBytes.indices.contains(Int(id)) ? pieceBytes[Int(id)] : []
  }
}

extension Tokenizer {
  /// Kept behind a reference: copies of the tokenizer share it.
  private final class Source: Sendable {
    let json: Data
    init(json: Data) { self.json = json }
  }

  private func encode(
    normalising slice: ArraySlice<UInt8>, isBeginning: Bool, _ state: inout EncoderPool.State, _ ids: inout [Int32]
  ) {
    let bytes = normaliser?(Array(slice)) ?? Array(slice)
    normalised.split(bytes) { (range, id) in
      if let id {
        ids.append(id)
      } else if !range.isEmpty {
        encodeWords(bytes, range, isBeginning: isBeginning && range.lowerBound == 0, &state, &ids)
      }
    }
  }

  private func encodeWords(
    _ bytes: [UInt8], _ range: Range<Int>, isBeginning: Bool, _ state: inout EncoderPool.State, _ ids: inout [Int32]
  ) {
    if preTokenizer.isGPT2 {
      var start = range.lowerBound
      while start < range.upperBound {
        let end = preTokenizer.endOfWord(in: bytes, from: start, to: range.upperBound)
        encodeWord(bytes[start..<end], &state, &ids)
        start = end
      }
      return
    }
    let words = preTokenizer.words(bytes, range, isBeginning: isBeginning, &state.matching)
    for word in words.ranges {
      guard let joints = model.joints, word.count > WordCache.longestWord else {
        encodeWord(words.bytes[word], &state, &ids)
        continue
      }
      var start = word.lowerBound
      while start < word.upperBound {
        let end = joints.endOfPart(in: words.bytes, from: start, to: word.upperBound)
        encodeWord(words.bytes[start..<end], &state, &ids)
        start = end
      }
    }
  }

  private func encodeWord(_ word: ArraySlice<UInt8>, _ state: inout EncoderPool.State, _ ids: inout [Int32]) {
    guard word.count <= WordCache.longestWord else {
      model.encode(word, &state.scratch, into: &ids)
      return
    }
    let hash = WordCache.hash(word)
    if state.cache.append(word, hash: hash, to: &ids) { return }
    let first = ids.count
    model.encode(word, &state.scratch, into: &ids)
    state.cache.insert(word, hash: hash, tokens: ids[first...])
  }
}
