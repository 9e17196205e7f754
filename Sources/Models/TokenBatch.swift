/// Token sequences end to end, without padding: attention is causal inside a segment and never crosses its ends.
public struct TokenBatch: Sendable {
  /// Token ids of all segments.
  public let tokens: [Int32]
  /// One range a segment, in order, covering all tokens.
  public let segments: [Range<Int>]
  /// Position of each token in its segment, from 0 (or from the length of what a cache holds).
  public let positions: [Int32]
  /// Number of each segment's first token in the whole batch, where this is a part of one; nil where tokens are
  /// numbered from 0. Rules that draw experts do so by number, so that parts of a batch are routed as the whole is.
  public let firstTokens: [Int]?

  /// A batch of segments over tokens.
  ///
  /// - Parameters:
  ///   - tokens: Token ids of all segments, end to end.
  ///   - segments: One range a segment, covering all tokens in order.
  ///   - offsets: Position of each segment's first token; 0 if left out.
  ///   - firstTokens: Number of each segment's first token in the whole batch.
  public init(tokens: [Int32], segments: [Range<Int>], offsets: [Int]? = nil, firstTokens: [Int]? = nil) {
    var end = 0
    var positions: [Int32] = []
    positions.reserveCapacity(tokens.count)
    for (index, segment) in segments.enumerated() {
      precondition(segment.lowerBound == end, "TokenBatch: segment \(segment) does not begin at \(end)")
      end = segment.upperBound
      let offset = offsets?[index] ?? 0
      for position in 0..<segment.count { positions.append(Int32(offset + position)) }
    }
    precondition(end == tokens.count, "TokenBatch: segments end at \(end), tokens at \(tokens.count)")
    self.tokens = tokens
    self.segments = segments
    self.positions = positions
    self.firstTokens = firstTokens
  }

  /// Runs of tokens whose numbers follow each other, of at most `length`.
  func runs(upTo length: Int) -> [(rows: Range<Int>, first: Int)] {
    func cut(_ rows: Range<Int>, _ first: Int) -> [(rows: Range<Int>, first: Int)] {
      stride(from: rows.lowerBound, to: rows.upperBound, by: length).map {
        ($0..<min($0 + length, rows.upperBound), first + $0 - rows.lowerBound)
      }
    }
    guard let firstTokens else { return cut(0..<tokens.count, 0) }
    return zip(segments, firstTokens).flatMap { cut($0, $1) }
  }

  /// A batch of whole sequences, one segment each.
  public init(sequences: [[Int32]]) {
    var start = 0
    let segments = sequences.map { sequence in
      defer { start += sequence.count }
      return start..<start + sequence.count
    }
    self.init(tokens: sequences.flatMap(\.self), segments: segments)
  }
}
