internal import Collaboration
internal import Foundation

/// How the next token is chosen from logits.
public struct Sampling: Sendable, Equatable {
  /// Logits are divided by it; 0 takes the largest, ties to the lower id.
  public let temperature: Double
  private var generator: SplitMix64

  /// A choice rule.
  ///
  /// - Parameters:
  ///   - temperature: 0 for greedy.
  ///   - seed: Seed of the draws (SplitMix64), one draw a token.
  public init(temperature: Double = 0, seed: UInt64 = 0) {
    precondition(temperature >= 0, "Sampling: temperature \(temperature)")
    self.temperature = temperature
    generator = SplitMix64(seed: seed)
  }

  /// Chooses a token.
  ///
  ///     p_i ∝ exp((z_i − max z) / temperature),   the first i with Σ_{j ≤ i} p_j > u
  ///
  /// - Parameter logits: One number a token of the vocabulary, all finite.
  /// - Returns: Its id.
  public mutating func next(_ logits: [Float]) -> Int32 {
    var best = 0
    for (index, logit) in logits.enumerated() where logit > logits[best] { best = index }
    if temperature == 0 { return Int32(best) }
    let weights = logits.map { exp(Double($0 - logits[best]) / temperature) }
    let target = generator.uniform() * weights.reduce(0, +)
    var sum = 0.0
    for (index, weight) in weights.enumerated() {
      sum += weight
      if sum > target { return Int32(index) }
    }
    return Int32(best)
  }
}

/// Continues a text token by token.
public struct Generator {
  /// The model.
  public let model: LanguageModel
  /// How tokens are chosen.
  public let sampling: Sampling

  /// A generator.
  ///
  /// - Parameters:
  ///   - model: Its parameters must not be tracked.
  ///   - sampling: How tokens are chosen.
  public init(_ model: LanguageModel, sampling: Sampling = Sampling()) {
    self.model = model
    self.sampling = sampling
  }

  /// Adds tokens to a prompt until one of the model's end tokens, which is left out, or `maxNew`.
  ///
  /// - Parameters:
  ///   - prompt: At least one token.
  ///   - maxNew: Most tokens to add.
  ///   - onToken: Told every new token as it comes.
  /// - Returns: The new tokens.
  /// - Throws: ``GenerationError``.
  public func continuation(
    of prompt: [Int32], maxNew: Int, onToken: (Int32) -> Void = { _ in }
  ) throws(GenerationError) -> [Int32] {
    let configuration = model.configuration
    guard !prompt.isEmpty else { throw .emptyPrompt }
    guard prompt.count + maxNew <= configuration.maxPositions else {
      throw .context(prompt: prompt.count, maxNew: maxNew, context: configuration.maxPositions)
    }
    if let token = prompt.first(where: { !(0..<configuration.vocabulary).contains(Int($0)) }) {
      throw .token(token, vocabulary: configuration.vocabulary)
    }
    var sampling = sampling
    let session = DecodingSession(model, sequences: 1, capacity: prompt.count + maxNew)
    var (new, next): ([Int32], [Int32]) = ([], prompt)
    while new.count < maxNew {
      let logits = session.append([next]).elements
      guard logits.allSatisfy(\.isFinite) else { throw .notFinite(token: new.count) }
      let token = sampling.next(logits)
      if configuration.endTokens.contains(Int(token)) { break }
      new.append(token)
      onToken(token)
      next = [token]
    }
    return new
  }
}

/// Why a text cannot be continued.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  /// There is nothing to continue.
  case emptyPrompt
  /// Prompt and continuation do not fit into the context.
  case context(prompt: Int, maxNew: Int, context: Int)
  /// A token that the model does not have.
  case token(Int32, vocabulary: Int)
  /// Logits that are infinite or not a number.
  case notFinite(token: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .emptyPrompt:
      "prompt: expected at least one token, found none; try a word"
    case .context(let prompt, let maxNew, let context):
      "prompt: expected at most \(context) tokens with the new ones (the model's context), found \(prompt) + \(maxNew); "
        + "try \(prompt < context ? "--max-new \(context - prompt)" : "a shorter prompt")"
    case .token(let token, let vocabulary):
      "prompt: expected tokens in 0..<\(vocabulary), found \(token); try the model's own tokenizer"
    case .notFinite(let token):
      "new token \(token): expected finite logits, found NaN or infinity; try another checkpoint"
    }
  }
}
