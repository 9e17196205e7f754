internal import ExpertParallel
internal import Models
internal import Text

/// One rank's part of a micro-batch: the sequences that are at home on it.
struct MicroBatch {
  /// The part; the whole in one process.
  let batch: Batch
  /// The same as a model takes it.
  let tokens: TokenBatch
  /// Tokens of the part over tokens of the whole.
  let share: Float

  /// The part of a rank.
  ///
  /// - Parameters:
  ///   - whole: The micro-batch.
  ///   - ranks: The processes that share it.
  ///   - firstSequence: Number of its first sequence in the step's batch.
  init(_ whole: Batch, _ ranks: any Communicator, firstSequence: Int) {
    guard ranks.size > 1 else {
      (batch, tokens, share) = (whole, TokenBatch(tokens: whole.tokens, segments: whole.segments), 1)
      return
    }
    let part = whole.share(of: ranks.rank, among: ranks.size, firstSequence: firstSequence)
    batch = part.batch
    tokens = TokenBatch(tokens: batch.tokens, segments: batch.segments, firstTokens: part.firstTokens)
    share = Float(Double(batch.tokens.count) / Double(max(whole.tokens.count, 1)))
  }
}
