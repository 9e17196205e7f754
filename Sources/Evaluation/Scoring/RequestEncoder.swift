internal import Models
internal import Text

/// Tokens of which the last ones are scored, each from all before it.
struct TokenRequest: Sendable, Equatable {
  /// Context and continuation, at most the model's context and one more.
  let tokens: [Int32]
  /// Tokens of the continuation, at least one and fewer than all.
  let scored: Int

  /// Number of tokens the model reads: all but the last.
  var inputs: Int { tokens.count - 1 }
  /// Position of the token from which the first scored one is predicted.
  var firstRow: Int { tokens.count - 1 - scored }
}

/// A continuation that adds no token to its context, or more than the model reads.
struct ContinuationLength: Error, Equatable {
  let tokens: Int
}

/// Turns texts into tokens by lm-evaluation-harness's rules.
///
/// - Source: lm_eval 0.4.13, `api/model.py` (`_encode_pair`), `models/huggingface.py`, `utils.py` (rolling windows).
struct RequestEncoder {
  let tokenizer: Tokenizer
  /// Stands before a text that has no context: the token that begins texts or, where there is none, ends them.
  let prefixToken: Int32
  /// Most tokens the model reads.
  let maxLength: Int

  /// An encoder for a model's tokenizer.
  init(_ tokenizer: Tokenizer, endOfText: Int32, maxLength: Int) {
    (self.tokenizer, self.maxLength) = (tokenizer, maxLength)
    prefixToken = tokenizer.beginning ?? endOfText
  }

  /// A continuation after a context.
  ///
  /// White space at the end of the context goes to the continuation; both are encoded together, and what the context
  /// alone does not have is scored. Tokens that are too many are cut off at the left.
  ///
  /// - Returns: The request and whether it was cut.
  /// - Throws: The number of tokens where none is left to score, or more than the context holds.
  func pair(
    _ context: String, _ continuation: String
  ) throws(ContinuationLength) -> (request: TokenRequest, isCut: Bool) {
    let bare = context.stripped(start: false)
    let moved = String(context.unicodeScalars.dropFirst(bare.unicodeScalars.count)) + continuation
    if bare.isEmpty {
      let tokens = tokenizer.encode(moved)
      // A text that begins with the prefix itself has it once.
      let isThere = tokens.first == prefixToken
      return try cut(isThere ? tokens : [prefixToken] + tokens, scored: tokens.count - (isThere ? 1 : 0))
    }
    let (whole, before) = (encode(bare + moved), encode(bare))
    guard whole.count > before.count else { throw ContinuationLength(tokens: 0) }
    return try cut(before + whole[before.count...], scored: whole.count - before.count)
  }

  private func cut(
    _ tokens: [Int32], scored: Int
  ) throws(ContinuationLength) -> (request: TokenRequest, isCut: Bool) {
    guard scored >= 1, scored <= maxLength else { throw ContinuationLength(tokens: scored) }
    return (TokenRequest(tokens: tokens.suffix(maxLength + 1), scored: scored), tokens.count > maxLength + 1)
  }

  /// A whole text in windows: each token is scored once, in the first window after ``prefixToken``, later after one
  /// token, in the last after as many as fit.
  func windows(_ text: String) -> [TokenRequest] {
    let tokens = encode(text)
    var requests: [TokenRequest] = []
    var done = 0
    while done < tokens.count {
      let count = min(tokens.count - done, maxLength)
      let end = done + count
      let before = done == 0 ? [prefixToken] : Array(tokens[end - maxLength - 1..<done])
      requests.append(TokenRequest(tokens: before + tokens[done..<end], scored: count))
      done = end
    }
    return requests
  }

  /// The last tokens of a prompt that leave room for new ones, and whether it was cut.
  func prompt(_ text: String, room: Int) -> (tokens: [Int32], isCut: Bool) {
    let tokens = encode(text)
    return (tokens.suffix(maxLength - room), tokens.count > maxLength - room)
  }

  /// Tokens of a text with what the tokenizer puts in front, unless the text begins with it.
  private func encode(_ text: String) -> [Int32] {
    let isThere = tokenizer.piece(prefixToken).map { text.hasPrefix($0) } ?? false
    return (isThere ? [] : tokenizer.prefix) + tokenizer.encode(text)
  }
}
