internal import Tensors

/// A text that grows token by token, by hand and by the model in turns; its keys and values are kept.
public struct Generator {
  /// How tokens are chosen; its draws go on from continuation to continuation.
  public private(set) var sampling: Sampling
  /// The text so far.
  public private(set) var tokens: [Int32] = []
  private let session: DecodingSession
  private let capacity: Int
  /// Tokens of the text that the model has not seen.
  private var unseen: [Int32] = []

  /// Tokens that still fit.
  public var room: Int { capacity - tokens.count }

  /// The model.
  public var model: LanguageModel { session.model }

  /// An empty text.
  ///
  /// - Parameters:
  ///   - model: Its parameters must not be tracked.
  ///   - sampling: How tokens are chosen.
  ///   - capacity: Most tokens of the text; the model's context if left out or longer.
  public init(_ model: LanguageModel, sampling: Sampling = Sampling(), capacity: Int? = nil) {
    let context = model.configuration.maxPositions
    self.sampling = sampling
    self.capacity = min(capacity ?? context, context)
    session = DecodingSession(model, sequences: 1, capacity: self.capacity)
  }

  /// Adds a prompt to the text, and tokens after it until one of the model's end tokens, which is left out, or
  /// `maxNew`.
  ///
  /// - Parameters:
  ///   - prompt: At least one token where the text is empty.
  ///   - maxNew: Most tokens to add.
  ///   - observe: Told what the model computed for the tokens that it has just seen.
  ///   - isLast: Told every new token as it comes; says whether to stop after it.
  /// - Returns: The new tokens.
  /// - Throws: ``GenerationError``; a prompt that does not fit leaves the text as it was.
  public mutating func `continue`(
    with prompt: [Int32], maxNew: Int, observe: (ForwardPass) -> Void = { _ in },
    isLast: (Int32) -> Bool = { _ in false }
  ) throws(GenerationError) -> [Int32] {
    try check(prompt, maxNew: maxNew)
    tokens += prompt
    unseen += prompt
    var new: [Int32] = []
    while new.count < maxNew {
      let logits = see(observe).elements
      guard logits.allSatisfy(\.isFinite) else { throw .notFinite(token: new.count) }
      let token = sampling.next(logits, after: tokens)
      if model.configuration.endTokens.contains(Int(token)) { break }
      new.append(token)
      tokens.append(token)
      unseen = [token]
      if isLast(token) { break }
    }
    return new
  }

  /// Shows the model the last token of the text, if it has not seen it.
  ///
  /// - Parameter observe: Told what the model computed for it.
  public mutating func finish(observe: (ForwardPass) -> Void) {
    if !unseen.isEmpty { _ = see(observe) }
  }

  private mutating func see(_ observe: (ForwardPass) -> Void) -> Tensor {
    defer { unseen = [] }
    return session.append([unseen], observe: observe)
  }

  private func check(_ prompt: [Int32], maxNew: Int) throws(GenerationError) {
    let configuration = model.configuration
    guard !(prompt + unseen).isEmpty else { throw .emptyPrompt }
    guard maxNew <= capacity - tokens.count - prompt.count else {
      throw .context(prompt: tokens.count + prompt.count, maxNew: maxNew, context: capacity)
    }
    if let token = prompt.first(where: { !(0..<configuration.vocabulary).contains(Int($0)) }) {
      throw .token(token, vocabulary: configuration.vocabulary)
    }
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
