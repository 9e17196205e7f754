public import Foundation

/// A byte-level BPE tokenizer, read from the `tokenizer.json` of Hugging Face tokenizers and equal to it in every token.
///
/// Text becomes tokens in five steps, each as in the library:
///
/// 1. added tokens that are matched verbatim (such as `<|endoftext|>`) are cut out, leftmost and longest first;
/// 2. the rest is brought to Unicode normal form C, if the file says so;
/// 3. added tokens that are matched in normalised text (such as runs of spaces) are cut out;
/// 4. the rest is cut into words by GPT-2's pattern (``GPT2Splitter``);
/// 5. the bytes of each word are merged pair by pair, lowest rank first (``BytePairMerges``).
///
/// Nothing is put around the text: no token for its beginning or end.
public struct Tokenizer: Sendable {
  /// Largest token id + 1: the fewest rows an embedding must have.
  public let vocabularySize: Int
  /// Tokens that mean something to the model rather than stand for text, by rising id.
  public let specialTokens: [Int32]

  private let source: Source
  private let ids: [String: Int32]
  private let pieces: [String?]
  private let pieceBytes: [[UInt8]]
  private let isSpecial: [Bool]
  private let verbatim: AddedTokens
  private let normalised: AddedTokens
  private let composes: Bool
  private let merges: BytePairMerges
  private let splitter = GPT2Splitter()
  private let pool = EncoderPool()

  /// Reads a `tokenizer.json`.
  ///
  /// - Parameters:
  ///   - json: content of the file.
  ///   - source: name of the file, for messages.
  /// - Throws: ``TokenizerError`` for text that is not such a file, and for every feature not supported here.
  public init(json: Data, source: String) throws(TokenizerError) {
    let file = try TokenizerFile(json: json, source: source)
    var pieces = [String?](repeating: nil, count: file.vocabularySize)
    var isSpecial = [Bool](repeating: false, count: file.vocabularySize)
    var (verbatim, normalised) = (AddedTokens(), AddedTokens())
    for (piece, id) in file.vocabulary { pieces[Int(id)] = piece }
    for token in file.addedTokens {
      pieces[Int(token.id)] = token.content
      isSpecial[Int(token.id)] = token.isSpecial
      let bytes = Array(token.content.utf8)
      if token.isNormalised {
        normalised.insert(file.composes ? NormalFormC.normalise(bytes) : bytes, id: token.id)
      } else {
        verbatim.insert(bytes, id: token.id)
      }
    }
    self.source = Source(json: json)
    vocabularySize = file.vocabularySize
    ids = file.vocabulary
    pieceBytes = pieces.map { $0.map(ByteLevelAlphabet.decode) ?? [] }
    specialTokens = isSpecial.indices.filter { isSpecial[$0] }.map(Int32.init)
    merges = file.merges
    composes = file.composes
    self.pieces = pieces
    self.isSpecial = isSpecial
    self.verbatim = verbatim
    self.normalised = normalised
  }

  /// The bytes this tokenizer was read from, to be stored with a model.
  public var json: Data { source.json }

  /// The tokens of a text.
  public func encode(_ text: String) -> [Int32] {
    var ids: [Int32] = []
    let bytes = Array(text.utf8)
    ids.reserveCapacity(bytes.count / 3 + 1)
    var state = pool.take()
    defer { pool.putBack(state) }
    var start = 0
    while let match = verbatim.next(in: bytes, from: start) {
      encode(normalising: bytes[start..<match.range.lowerBound], &state, &ids)
      ids.append(match.id)
      start = match.range.upperBound
    }
    encode(normalising: bytes[start...], &state, &ids)
    return ids
  }

  /// The text of tokens; bytes that are not UTF-8 become U+FFFD, ids without a token nothing.
  ///
  /// With `skipSpecial`, ``specialTokens`` are left out.
  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool = false) -> String {
    var bytes: [UInt8] = []
    for id in ids where pieceBytes.indices.contains(Int(id)) && !(skipSpecial && isSpecial[Int(id)]) {
      bytes.append(contentsOf: pieceBytes[Int(id)])
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A token as the vocabulary spells it (`Ġthe` for " the"), `nil` for an id without a token.
  public func piece(_ id: Int32) -> String? {
    pieces.indices.contains(Int(id)) ? pieces[Int(id)] : nil
  }

  /// The id of a token as the vocabulary spells it.
  public func id(of piece: String) -> Int32? { ids[piece] }

  /// The bytes that a token adds to the text, empty for an id without a token.
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

  private func encode(normalising slice: ArraySlice<UInt8>, _ state: inout EncoderPool.State, _ ids: inout [Int32]) {
    if slice.isEmpty { return }
    // Nothing below U+0300 (first byte 0xCC) composes: such text is in form C already.
    let mayCompose = composes && slice.contains { $0 >= 0xCC }
    let bytes = mayCompose ? NormalFormC.normalise(Array(slice)) : Array(slice)
    var start = 0
    while let match = normalised.next(in: bytes, from: start) {
      encodeWords(bytes, start..<match.range.lowerBound, &state, &ids)
      ids.append(match.id)
      start = match.range.upperBound
    }
    encodeWords(bytes, start..<bytes.count, &state, &ids)
  }

  private func encodeWords(
    _ bytes: [UInt8], _ range: Range<Int>, _ state: inout EncoderPool.State, _ ids: inout [Int32]
  ) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = splitter.endOfWord(in: bytes, from: start, to: range.upperBound)
      let word = bytes[start..<end]
      start = end
      guard word.count <= WordCache.longestWord else {
        merges.encode(word, &state.scratch, into: &ids)
        continue
      }
      let hash = WordCache.hash(word)
      if state.cache.append(word, hash: hash, to: &ids) { continue }
      let first = ids.count
      merges.encode(word, &state.scratch, into: &ids)
      state.cache.insert(word, hash: hash, tokens: ids[first...])
    }
  }
}
