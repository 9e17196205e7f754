public import Tensors

/// Sequences that grow token by token, with their keys and values kept: what a new token costs does not grow with the
/// products of all earlier ones.
///
/// Its logits are those of a full pass over the same tokens; attention adds up in another order, so the last bits
/// differ. Sequences that begin alike are computed once: ``continued(_:adding:)``.
public struct DecodingSession {
  /// The model; outside the graph.
  public let model: LanguageModel
  private let caches: [AttentionCache]

  /// Tokens held for each sequence.
  public var lengths: [Int] { caches.first?.lengths ?? [] }

  /// Empty sequences.
  ///
  /// - Parameters:
  ///   - model: Its parameters must not be tracked.
  ///   - sequences: Number of sequences.
  ///   - capacity: Most tokens a sequence will hold, at most the model's context.
  public init(_ model: LanguageModel, sequences: Int, capacity: Int) {
    let configuration = model.configuration
    precondition(
      (1...configuration.maxPositions).contains(capacity),
      "DecodingSession: capacity \(capacity) for a context of \(configuration.maxPositions)")
    self.model = model
    let shape = configuration.attention
    caches = model.layers.map { _ in
      AttentionCache(
        sequences: sequences, capacity: capacity, keyWidth: shape.kvHeads * shape.headDimension,
        valueWidth: shape.kvHeads * shape.valueDimension)
    }
  }

  private init(model: LanguageModel, caches: [AttentionCache]) {
    (self.model, self.caches) = (model, caches)
  }

  /// New sequences, each of which continues one of this session's: what that one has seen is shared, not copied.
  ///
  /// - Parameters:
  ///   - parents: The sequence that each new one continues; as many may continue one as you like.
  ///   - room: Most tokens that each will add, with its parent's at most the model's context.
  /// - Returns: A session of `parents.count` sequences; this one stays as it is.
  public func continued(_ parents: [Int], adding room: [Int]) -> DecodingSession {
    let longest = zip(parents, room).map { lengths[$0] + $1 }.max() ?? 0
    precondition(
      longest <= model.configuration.maxPositions,
      "DecodingSession: \(longest) tokens for a context of \(model.configuration.maxPositions)")
    return DecodingSession(
      model: model, caches: caches.map { AttentionCache(continuing: $0, parents: parents, rooms: room) })
  }

  /// Adds tokens to every sequence.
  ///
  /// - Parameters:
  ///   - tokens: At least one for each sequence.
  ///   - observe: Told what the model computed for them.
  /// - Returns: Logits after the last token of each sequence, `[sequences, vocabulary]`.
  public func append(_ tokens: [[Int32]], observe: (ForwardPass) -> Void = { _ in }) -> Tensor {
    let pass = advance(tokens)
    observe(pass)
    return model.logits(pass.hidden.gatherRows(pass.segments.map { Int32($0.upperBound - 1) }))
  }

  /// Adds tokens to every sequence.
  ///
  /// - Parameter tokens: At least one for each sequence.
  /// - Returns: Hidden states and routing of the new tokens, those of a sequence in one segment.
  public func advance(_ tokens: [[Int32]]) -> ForwardPass {
    precondition(tokens.allSatisfy { !$0.isEmpty }, "DecodingSession: a sequence gets no token")
    var start = 0
    let segments = tokens.map { sequence in
      defer { start += sequence.count }
      return start..<start + sequence.count
    }
    return model(TokenBatch(tokens: tokens.flatMap(\.self), segments: segments, offsets: lengths), cache: caches)
  }
}
