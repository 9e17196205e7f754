public import Tensors

/// Sequences that grow token by token, with their keys and values kept: what a new token costs does not grow with the
/// products of all earlier ones.
///
/// Its logits are those of a full pass over the same tokens; attention adds up in another order, so the last bits differ.
public struct DecodingSession {
  /// The model; outside the graph.
  public let model: LanguageModel
  /// Most tokens a sequence can hold.
  public let capacity: Int
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
    self.capacity = capacity
    let shape = configuration.attention
    caches = model.layers.map { _ in
      AttentionCache(
        sequences: sequences, capacity: capacity, keyWidth: shape.kvHeads * shape.headDimension,
        valueWidth: shape.kvHeads * shape.valueDimension)
    }
  }

  /// Adds tokens to every sequence.
  ///
  /// - Parameters:
  ///   - tokens: At least one for each sequence.
  ///   - observe: Told what the model computed for them.
  /// - Returns: Logits after the last token of each sequence, `[sequences, vocabulary]`.
  public func append(_ tokens: [[Int32]], observe: (ForwardPass) -> Void = { _ in }) -> Tensor {
    precondition(tokens.allSatisfy { !$0.isEmpty }, "DecodingSession: a sequence gets no token")
    var start = 0
    let segments = tokens.map { sequence in
      defer { start += sequence.count }
      return start..<start + sequence.count
    }
    let pass = model(
      TokenBatch(tokens: tokens.flatMap(\.self), segments: segments, offsets: lengths), cache: caches)
    observe(pass)
    return model.logits(pass.hidden.gatherRows(segments.map { Int32($0.upperBound - 1) }))
  }
}
