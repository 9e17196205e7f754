/// Makes text of the pieces that tokens are in the vocabulary.
struct PieceDecoder: Sendable {
  enum Step: Sendable {
    /// GPT-2's spelling of bytes, see ``ByteLevelAlphabet``; all pieces become one.
    case byteLevel
    /// One text for another in each piece.
    case replace([UInt8], with: [UInt8])
    /// Pieces such as `<0x0A>` are bytes; a run of them that is not UTF-8 becomes U+FFFD for each byte.
    case byteFallback
    /// All pieces become one.
    case fuse
    /// Takes a character off either end of each piece, at most so often.
    case strip([UInt8], start: Int, stop: Int)
    /// The replacement becomes a space; in the first piece it is left out if it was put there by encoding.
    case metaspace([UInt8], omitsFirst: Bool)
  }

  let steps: [Step]

  private static let space = [UInt8(ascii: " ")]

  /// Whether the text is what the pieces stand for, one after the other.
  var isByteLevel: Bool {
    if steps.count == 1, case .byteLevel = steps[0] { return true }
    return false
  }

  /// The text of pieces, which may not be UTF-8.
  func bytes(of pieces: [String]) -> [UInt8] {
    steps.reduce(pieces.map { Array($0.utf8) }) { apply($1, $0) }.reduce(into: []) { $0 += $1 }
  }

  /// What one piece adds in the midst of a text.
  func bytes(ofSingle piece: String) -> [UInt8] {
    var bytes = Array(piece.utf8)
    for step in steps {
      switch step {
      case .byteLevel: bytes = ByteLevelAlphabet.decode(String(decoding: bytes, as: UTF8.self))
      case .replace(let old, let new): bytes = Normaliser.replace(old, with: new)(bytes)
      case .byteFallback: bytes = Self.byte(bytes).map { [$0] } ?? bytes
      case .fuse, .strip: break
      case .metaspace(let replacement, _): bytes = Normaliser.replace(replacement, with: Self.space)(bytes)
      }
    }
    return bytes
  }

  private func apply(_ step: Step, _ pieces: [[UInt8]]) -> [[UInt8]] {
    switch step {
    case .byteLevel:
      let bytes = pieces.flatMap { ByteLevelAlphabet.decode(String(decoding: $0, as: UTF8.self)) }
      return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
    case .replace(let old, let new):
      return pieces.map(Normaliser.replace(old, with: new).callAsFunction)
    case .byteFallback:
      return Self.joiningBytes(pieces)
    case .fuse:
      return [pieces.reduce(into: []) { $0 += $1 }]
    case .strip(let character, let start, let stop):
      return pieces.map { Self.strip(character, start, stop, $0) }
    case .metaspace(let replacement, let omitsFirst):
      return pieces.enumerated().map { (index, piece) in
        Normaliser.replace(replacement, with: index == 0 && omitsFirst ? [] : Self.space)(piece)
      }
    }
  }

  /// The byte that a piece such as `<0x0A>` stands for.
  private static func byte(_ piece: [UInt8]) -> UInt8? {
    guard piece.count == 6, piece.starts(with: "<0x".utf8), piece[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: piece[3...4], as: UTF8.self), radix: 16)
  }

  private static func joiningBytes(_ pieces: [[UInt8]]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var run: [UInt8] = []
    func close() {
      if run.isEmpty { return }
      let isText = String(validating: run, as: UTF8.self) != nil
      if isText { result.append(run) } else { result += run.map { _ in Array("\u{FFFD}".utf8) } }
      run = []
    }
    for piece in pieces {
      if let byte = byte(piece) {
        run.append(byte)
      } else {
        close()
        result.append(piece)
      }
    }
    close()
    return result
  }

  private static func strip(_ character: [UInt8], _ start: Int, _ stop: Int, _ piece: [UInt8]) -> [UInt8] {
    var rest = piece[...]
    for _ in 0..<start where rest.starts(with: character) { rest = rest.dropFirst(character.count) }
    for _ in 0..<stop where rest.suffix(character.count).elementsEqual(character) {
      rest = rest.dropLast(character.count)
    }
    return Array(rest)
  }
}
