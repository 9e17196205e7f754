internal import Formats
public import Foundation

/// A `tokenizer.model` of SentencePiece, read from its protocol buffer.
///
/// BPE models with byte fallback and without normalisation are supported, as Llama and Mixtral have them; everything
/// else is refused by name.
/// - Source: `sentencepiece_model.proto` of google/sentencepiece for the numbers of fields and their defaults.
public struct SentencePieceModel: Sendable {
  enum Kind: UInt64, Sendable { case normal = 1, unknown, control, userDefined, unused, byte }

  struct Piece: Sendable {
    var text = ""
    var score: Float = 0
    var kind = Kind.normal
  }

  let source: String
  private(set) var pieces: [Piece] = []
  /// Numbers of the tokens for what is unknown, for the beginning and for the end of a text; -1 for none.
  private var unknown = 0
  private var beginning = 1
  private var end = 2
  private var names = (unknown: "<unk>", beginning: "<s>", end: "</s>")
  private(set) var putsSpaceBefore = true
  private var modelType: UInt64 = 1
  private var fallsBackToBytes = false
  private var spaceIsSuffix = false
  private var removesSpaces = true
  private var escapesSpaces = true
  private var hasCharacterMap = false

  /// Reads a `tokenizer.model`.
  ///
  /// - Parameters:
  ///   - data: content of the file.
  ///   - source: name of the file, for messages.
  /// - Throws: ``TokenizerError`` for bytes that are not such a file, and for every feature not supported here.
  public init(_ data: Data, source: String) throws(TokenizerError) {
    self.source = source
    do throws(ProtobufError) {
      try read(Array(data)[...])
    } catch {
      throw .invalid(
        source: source, key: "byte \(error.offset)", expected: "a tokenizer.model of SentencePiece",
        found: error.reason)
    }
    try check()
  }

  private mutating func read(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      guard case .bytes(let bytes) = value else { continue }
      switch number {
      case 1: pieces.append(try Self.piece(bytes))
      case 2: try readTrainer(bytes)
      case 3: try readNormaliser(bytes)
      case 5: try readDenormaliser(bytes)
      default: break  // a self-test and extensions of others, which change no token
      }
    }
  }

  private static func piece(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) -> Piece {
    var reader = ProtobufReader(bytes)
    var piece = Piece()
    while let (number, value) = try reader.next() {
      switch (number, value) {
      case (1, .bytes(let text)):
        guard let text = String(validating: text, as: UTF8.self) else {
          throw ProtobufError(offset: bytes.startIndex, reason: "a piece that is not UTF-8")
        }
        piece.text = text
      case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
      case (3, .integer(let kind)):
        guard let kind = Kind(rawValue: kind) else {
          throw ProtobufError(offset: bytes.startIndex, reason: "a piece of type \(kind)")
        }
        piece.kind = kind
      default: break
      }
    }
    return piece
  }

  private mutating func readTrainer(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      switch (number, value) {
      case (3, .integer(let value)): modelType = value
      case (24, .integer(let value)): spaceIsSuffix = value != 0
      case (35, .integer(let value)): fallsBackToBytes = value != 0
      case (40, .integer(let value)): unknown = Int(Int32(truncatingIfNeeded: value))
      case (41, .integer(let value)): beginning = Int(Int32(truncatingIfNeeded: value))
      case (42, .integer(let value)): end = Int(Int32(truncatingIfNeeded: value))
      case (45, .bytes(let text)) where !text.isEmpty: names.unknown = String(decoding: text, as: UTF8.self)
      case (46, .bytes(let text)) where !text.isEmpty: names.beginning = String(decoding: text, as: UTF8.self)
      case (47, .bytes(let text)) where !text.isEmpty: names.end = String(decoding: text, as: UTF8.self)
      default: break
      }
    }
  }

  /// The tokens that the trainer named, as `tokenizer_config.json` names them.
  var namedTokens: [(name: String, content: String)] {
    [
      ("bos_token", beginning, names.beginning), ("eos_token", end, names.end), ("unk_token", unknown, names.unknown),
    ].filter { $0.1 >= 0 }.map { ($0.0, $0.2) }
  }

  private mutating func readNormaliser(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      switch (number, value) {
      case (2, .bytes(let map)): if !map.isEmpty { hasCharacterMap = true }
      case (3, .integer(let value)): putsSpaceBefore = value != 0
      case (4, .integer(let value)): removesSpaces = value != 0
      case (5, .integer(let value)): escapesSpaces = value != 0
      default: break
      }
    }
  }

  private mutating func readDenormaliser(_ bytes: ArraySlice<UInt8>) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.next() {
      if number == 2, case .bytes(let map) = value, !map.isEmpty { hasCharacterMap = true }
    }
  }

  private func check() throws(TokenizerError) {
    func refuse(_ key: String, _ feature: String, _ supported: String) -> TokenizerError {
      .unsupported(source: source, key: key, feature: feature, supported: supported)
    }
    guard !pieces.isEmpty else {
      throw .invalid(source: source, key: "pieces", expected: "a tokenizer.model of SentencePiece", found: "none")
    }
    let types: [UInt64: String] = [1: "UNIGRAM", 3: "WORD", 4: "CHAR"]
    if modelType != 2 { throw refuse("trainer_spec.model_type", types[modelType] ?? "\(modelType)", "BPE") }
    if !fallsBackToBytes { throw refuse("trainer_spec.byte_fallback", "false", "true") }
    if spaceIsSuffix { throw refuse("trainer_spec.treat_whitespace_as_suffix", "true", "false") }
    if hasCharacterMap {
      throw refuse("normalizer_spec.precompiled_charsmap", "a map of characters", "none (identity)")
    }
    if removesSpaces { throw refuse("normalizer_spec.remove_extra_whitespaces", "true", "false") }
    if !escapesSpaces { throw refuse("normalizer_spec.escape_whitespaces", "false", "true") }
    var known = Set<ExactText>()
    for (id, piece) in pieces.enumerated() {
      let key = "pieces[\(id)]"
      if piece.kind == .userDefined || piece.kind == .unused {
        throw refuse(key, "the type \(piece.kind) of '\(piece.text)'", "normal, control, unknown or byte")
      }
      guard !piece.text.isEmpty, piece.score.isFinite, known.insert(ExactText(piece.text)).inserted else {
        throw .invalid(source: source, key: key, expected: "a piece of its own", found: "'\(piece.text)'")
      }
    }
    for (id, piece) in pieces.enumerated() where piece.kind == .normal {
      // The library also joins characters that are no pieces themselves, which merges cannot say.
      for scalar in piece.text.unicodeScalars where !known.contains(ExactText(String(Character(scalar)))) {
        throw refuse("pieces[\(id)]", "'\(piece.text)' without a piece for '\(scalar)'", "a piece for every character")
      }
    }
  }
}
