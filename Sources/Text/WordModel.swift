internal import Formats

/// A BPE model: the tokens of a word.
///
/// A word's smallest parts are scalars, or bytes that are spelled as scalars. A part that has no token becomes the
/// tokens of the bytes of its scalar (`<0xE2>`) if the model falls back to them and has all of them, otherwise the
/// unknown token or, without one, nothing.
struct WordModel: Sendable {
  enum Alphabet: Sendable {
    /// Token of each byte, -1 for none; whether every byte of UTF-8 has one.
    case bytes([Int32], isComplete: Bool)
    /// Token of each scalar that has one.
    case scalars([UInt32: Int32])
  }

  let alphabet: Alphabet
  let merges: BytePairMerges
  /// Tokens of the bytes of a scalar without token, -1 for none.
  let byteFallback: [Int32]?
  let unknown: Int32?
  /// Whether neighbours without token are one unknown token.
  let fusesUnknown: Bool
  /// Tokens of whole words, which count more than merges; as the vocabulary spells them.
  let wholeWords: [ExactText: Int32]?
  /// Where a word may be cut without changing its tokens.
  let joints: Joints?

  /// Appends the tokens of a word.
  func encode(_ word: ArraySlice<UInt8>, _ scratch: inout BytePairMerges.Scratch, into ids: inout [Int32]) {
    if let wholeWords, let id = wholeWords[ExactText(spelling(word))] {
      ids.append(id)
      return
    }
    scratch.symbols.removeAll(keepingCapacity: true)
    switch alphabet {
    case .bytes(let tokens, isComplete: true):
      for byte in word { scratch.symbols.append(tokens[Int(byte)]) }
    case .bytes(let tokens, isComplete: false):
      var parts = Parts(model: self)
      for byte in word {
        let token = tokens[Int(byte)]
        parts.append(token < 0 ? nil : token, ByteLevelAlphabet.scalars[Int(byte)], &scratch.symbols)
      }
      parts.finish(&scratch.symbols)
    case .scalars(let tokens):
      var parts = Parts(model: self)
      for scalar in String(decoding: word, as: UTF8.self).unicodeScalars {
        parts.append(tokens[scalar.value], scalar, &scratch.symbols)
      }
      parts.finish(&scratch.symbols)
    }
    merges.encode(&scratch, into: &ids)
  }

  /// A word as the vocabulary would have it.
  private func spelling(_ word: ArraySlice<UInt8>) -> String {
    guard case .bytes = alphabet else { return String(decoding: word, as: UTF8.self) }
    var spelling = String.UnicodeScalarView()
    for byte in word { spelling.append(ByteLevelAlphabet.scalars[Int(byte)]) }
    return String(spelling)
  }

  /// The smallest parts of a word on their way to tokens.
  ///
  /// An unknown token is written when the next part that has a token of its own, or another unknown one, comes: tokens
  /// of bytes in between stand before it, as in the library.
  private struct Parts {
    let model: WordModel
    private var isUnknown = false

    init(model: WordModel) { self.model = model }

    mutating func append(_ token: Int32?, _ scalar: Unicode.Scalar, _ symbols: inout [Int32]) {
      if let token {
        finish(&symbols)
        symbols.append(token)
      } else if let bytes = model.byteFallback, let utf8 = UTF8.encode(scalar), utf8.allSatisfy({ bytes[Int($0)] >= 0 })
      {
        for byte in utf8 { symbols.append(bytes[Int(byte)]) }
      } else if model.unknown != nil {
        if !model.fusesUnknown { finish(&symbols) }
        isUnknown = true
      }
    }

    mutating func finish(_ symbols: inout [Int32]) {
      if isUnknown, let unknown = model.unknown { symbols.append(unknown) }
      isUnknown = false
    }
  }
}

/// Pairs of scalars between which some merge joins two tokens.
///
/// A merge joins two neighbours exactly where the left one's last scalar and the right one's first meet. Where no merge
/// knows that pair, tokens end whatever else the word holds. So a text without a pre-tokenizer, which is one long word,
/// falls into short ones that a cache knows. Scalars beyond ASCII and `▁` are taken as one.
struct Joints: Sendable {
  private static let metaspace: UInt32 = 0x2581
  private static let kinds = 130
  private var joins = [Bool](repeating: false, count: kinds * kinds)

  /// Notes the merge of two tokens.
  mutating func insert(_ left: String, _ right: String) {
    guard let last = left.unicodeScalars.last, let first = right.unicodeScalars.first else { return }
    joins[Self.kind(last.value) * Self.kinds + Self.kind(first.value)] = true
  }

  private static func kind(_ scalar: UInt32) -> Int {
    scalar < 128 ? Int(scalar) : scalar == metaspace ? 128 : 129
  }

  /// End of the part that begins at `start`, an offset below `end` at the border of a scalar.
  func endOfPart(in bytes: [UInt8], from start: Int, to end: Int) -> Int {
    var (scalar, length) = bytes.scalar(at: start)
    var index = start
    while true {
      index += length
      guard index < end else { return end }
      let row = Self.kind(scalar) * Self.kinds
      (scalar, length) = bytes.scalar(at: index)
      if !joins[row + Self.kind(scalar)] { return index }
    }
  }
}
