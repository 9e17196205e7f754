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

  /// Reads a `tokenizer.json`.
  ///
  /// - Parameters:
  ///   - json: content of the file.
  ///   - source: name of the file, for messages.
  ///   - configuration: content of `tokenizer_config.json`, if there is one. Where it says `add_bos_token` or
  ///     `add_eos_token`, these decide what is put around a text and the template of `json` does not, as in transformers;
  ///     its `bos_token` is ``beginning``.
  /// - Throws: ``TokenizerError`` for text that is not such a file, and for every feature not supported here.
  public init(json: Data, source: String, configuration: Data? = nil) throws(TokenizerError) {
    let file = try TokenizerFile(json: json, source: source)
    let configured = try TokenizerConfiguration(configuration, vocabulary: file.vocabulary, source: source)
    var pieces = [String?](repeating: nil, count: file.vocabularySize)
    var isSpecial = [Bool](repeating: false, count: file.vocabularySize)
    var isAdded = isSpecial
    var (verbatim, normalised) = (AddedTokens(), AddedTokens())
    for (piece, id) in file.vocabulary { pieces[Int(id)] = piece.text }
    for token in file.addedTokens {
      pieces[Int(token.id)] = token.content
      isSpecial[Int(token.id)] = token.isSpecial
      isAdded[Int(token.id)] = true
      let bytes = Array(token.content.utf8)
      if token.isNormalised {
        normalised.insert(file.normaliser?(bytes) ?? bytes, id: token.id, rules: token.rules)
      } else {
        verbatim.insert(bytes, id: token.id, rules: token.rules)
      }
    }
    let surroundings = configured.surroundings ?? file.surroundings
    self.source = Source(json: json)
    vocabularySize = file.vocabularySize
    (prefix, suffix) = (surroundings.prefix, surroundings.suffix)
    beginning = configured.beginning ?? surroundings.prefix.first
    ids = file.vocabulary
    pieceBytes = pieces.map { $0.map(file.decoder.bytes(ofSingle:)) ?? [] }
    specialTokens = isSpecial.indices.filter { isSpecial[$0] }.map(Int32.init)
    model = file.model
    normaliser = file.normaliser
    preTokenizer = file.preTokenizer
    decoder = file.decoder
    self.pieces = pieces
    self.isSpecial = isSpecial
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
  ///   - addSpecialTokens: Whether ``prefix`` and ``suffix`` are put around it, as transformers does unless told not to.
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
