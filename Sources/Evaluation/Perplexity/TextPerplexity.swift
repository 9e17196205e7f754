public import ExpertParallel
internal import Foundation
public import Models
internal import Tensors
public import Text

/// Perplexities of plain text, by the two common definitions, each under its full name.
///
///     token_perplexity = exp(Σ nll / Σ tokens)            whole text in blocks of `blockTokens`, first token of a block given, the tokenizer's own in front
///     word_perplexity  = exp(Σ nll / words)               rolling windows, every token predicted
///     byte_perplexity  = exp(Σ nll / UTF-8 bytes),  bits_per_byte = Σ nll / bytes / ln 2
///
/// - Source: token_perplexity as in GPTQ and mlx-lm; the others as in lm-evaluation-harness
///   (``RequestEncoder/windows(_:)``): the first window begins with the token that begins a text or, where the
///   tokenizer has none, ends one; later ones with one token of context, the last with as many as fit; words are
///   counted by splitting at white space.
public struct TextPerplexity: Codable, Equatable, Sendable {
  /// File that was scored.
  public let file: String
  /// exp of the mean loss a predicted token, blocks.
  public let tokenPerplexity: Double
  /// Mean loss a predicted token in nats, blocks.
  public let loss: Double
  /// Standard error of the mean loss, over blocks: tokens of one block are not independent.
  public let standardError: Double?
  /// Tokens predicted in blocks.
  public let tokens: Int
  /// exp of the loss a word, rolling.
  public let wordPerplexity: Double
  /// exp of the loss a byte, rolling.
  public let bytePerplexity: Double
  /// Loss a byte in bits, rolling.
  public let bitsPerByte: Double
  /// Words of the text.
  public let words: Int
  /// UTF-8 bytes of the text.
  public let bytes: Int

  enum CodingKeys: String, CodingKey {
    case file, loss, tokens, words, bytes
    case tokenPerplexity = "token_perplexity"
    case standardError = "loss_stderr"
    case wordPerplexity = "word_perplexity"
    case bytePerplexity = "byte_perplexity"
    case bitsPerByte = "bits_per_byte"
  }

  /// Scores a text.
  ///
  /// - Parameters:
  ///   - text: The text.
  ///   - file: Its name.
  ///   - model: Its rules decide which experts are used.
  ///   - tokenizer: The model's.
  ///   - endOfText: Token that stands before the first window.
  ///   - blockTokens: Length of blocks and windows, at most the model's longest sequence.
  ///   - ranks: The processes that share the model's experts; each scores its part of the windows.
  ///   - progress: Called with the number of tokens scored; every token is scored twice.
  /// - Throws: ``PerplexityError`` when there is too little text.
  public init(
    _ text: String, file: String, model: LanguageModel, tokenizer: Tokenizer, endOfText: Int32, blockTokens: Int,
    ranks: any Communicator = SingleProcess(), progress: (Int) -> Void = { _ in }
  ) throws(PerplexityError) {
    let model = model.untracked()
    let tokens = tokenizer.encode(text)
    let document = tokenizer.prefix + tokens
    guard document.count >= 2 else { throw .tooShort(file: file, tokens: tokens.count) }
    let blocks = stride(from: 0, to: document.count - 1, by: blockTokens).map { start in
      let block = document[start..<min(start + blockTokens, document.count)]
      return TokenRequest(tokens: Array(block), scored: block.count - 1)
    }.filter { $0.scored > 0 }
    let losses = Self.score(blocks, model, batchTokens: max(blockTokens, 4096), ranks, progress)
    let predicted = blocks.reduce(0) { $0 + $1.scored }
    let mean = losses.reduce(0, +) / Double(predicted)

    let windows = RequestEncoder(tokenizer, endOfText: endOfText, maxLength: blockTokens).windows(text)
    let rolling = Self.score(windows, model, batchTokens: max(blockTokens, 4096), ranks) {
      progress(tokens.count + $0)
    }.reduce(0, +)
    let words = text.pythonWords
    let bytes = text.utf8.count

    (self.file, self.loss, self.tokens, self.words, self.bytes) = (file, mean, predicted, words, bytes)
    tokenPerplexity = Numbers.exponential(mean)
    standardError = Self.standardError(losses, blocks.map(\.scored), mean)
    wordPerplexity = Numbers.exponential(rolling / Double(max(words, 1)))
    bytePerplexity = Numbers.exponential(rolling / Double(bytes))
    bitsPerByte = rolling / Double(bytes) / log(2)
  }

  /// Σ nll of the scored tokens of every window.
  private static func score(
    _ windows: [TokenRequest], _ model: LanguageModel, batchTokens: Int, _ ranks: any Communicator,
    _ progress: (Int) -> Void
  ) -> [Double] {
    var sums: [Double] = []
    var (start, done) = (0, 0)
    while start < windows.count {
      var (end, size) = (start, 0)
      while end < windows.count, end == start || size + windows[end].inputs <= batchTokens {
        size += windows[end].inputs
        end += 1
      }
      let mine = (start..<end).filter { $0 % ranks.size == ranks.rank }.map { windows[$0] }
      let batch = TokenBatch(sequences: mine.map { Array($0.tokens.dropLast()) })
      let targets = mine.flatMap { $0.tokens.dropFirst() }
      let losses = model.crossEntropy(model(batch), targets: targets).losses
      let own = zip(batch.segments, mine).map { (segment, window) in
        losses[segment].suffix(window.scored).reduce(0.0) { $0 + Double($1) }
      }
      sums += ranks.gather(own, of: end - start, first: start)
      start = end
      done += size
      progress(done)
    }
    return sums
  }

  /// Standard error of Σ nll / Σ n over blocks (ratio estimator); nil for a single block.
  private static func standardError(_ sums: [Double], _ counts: [Int], _ mean: Double) -> Double? {
    guard sums.count > 1 else { return nil }
    let total = Double(counts.reduce(0, +))
    let squares = zip(sums, counts).reduce(0.0) { $0 + ($1.0 - mean * Double($1.1)) * ($1.0 - mean * Double($1.1)) }
    return (squares * Double(sums.count) / Double(sums.count - 1)).squareRoot() / total
  }
}

/// A text that cannot be scored.
public enum PerplexityError: Error, Equatable, CustomStringConvertible {
  /// Fewer than two tokens.
  case tooShort(file: String, tokens: Int)
  /// A loss is infinite or not a number.
  case notFinite(file: String)

  /// The message for a person.
  public var description: String {
    switch self {
    case .tooShort(let file, let tokens):
      "\(file): expected at least 2 tokens of text, found \(tokens); try a longer text"
    case .notFinite(let file): "\(file): expected a finite loss, found NaN or infinity; try another checkpoint"
    }
  }
}
