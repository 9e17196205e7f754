/// A batch without padding: all sequences end to end.
public struct Batch: Sendable, Equatable {
  /// The tokens of all sequences.
  public let tokens: [Int32]
  /// The token to be predicted at each position, already shifted; ``TokenizedDocument/ignored`` for none.
  public let targets: [Int32]
  /// One a document: attention is causal inside and never crosses, and positions start again at 0.
  public let segments: [Range<Int>]
  /// Packed sequences, each of whole segments; sequence j of the global batch has home device j mod D.
  public let sequences: [Range<Int>]
  /// The ``TokenizedDocument/id`` of every segment.
  public let documents: [Int]

  /// Lays documents end to end, those of each inner list as one sequence.
  public init(sequences groups: [[TokenizedDocument]]) {
    var tokens: [Int32] = []
    var targets: [Int32] = []
    var segments: [Range<Int>] = []
    var sequences: [Range<Int>] = []
    for group in groups {
      let sequenceStart = tokens.count
      for document in group {
        segments.append(tokens.count..<tokens.count + document.tokens.count)
        tokens += document.tokens
        targets += document.targets
      }
      sequences.append(sequenceStart..<tokens.count)
    }
    self.tokens = tokens
    self.targets = targets
    self.segments = segments
    self.sequences = sequences
    documents = groups.joined().map(\.id)
  }

  /// A batch of parts that fit together.
  init(
    tokens: [Int32], targets: [Int32], segments: [Range<Int>], sequences: [Range<Int>], documents: [Int]
  ) {
    (self.tokens, self.targets, self.segments) = (tokens, targets, segments)
    (self.sequences, self.documents) = (sequences, documents)
  }

  /// Positions with loss.
  public var lossTokens: Int { targets.count { $0 != TokenizedDocument.ignored } }
}
