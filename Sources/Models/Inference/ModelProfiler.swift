public import Collaboration
internal import Tensors

/// Collaboration statistics of a model on text: what its routers choose before any limit.
///
/// A profile describes the model's own choice, so a limit that the model is under does not enter the counts of a layer; it
/// does change the hidden states that later layers see.
public struct ModelProfiler {
  /// The model.
  public let model: LanguageModel
  /// Tokens in a pass, at least one document.
  public let batchTokens: Int
  /// Most recorded sets per layer.
  public let recordedLimit: Int
  /// Seed of the sample of recorded sets.
  public let seed: UInt64

  /// A profiler.
  ///
  /// - Parameters:
  ///   - model: Its parameters need not be tracked.
  ///   - batchTokens: Tokens in a pass.
  ///   - recordedLimit: Most recorded sets per layer.
  ///   - seed: Of the sample of recorded sets.
  public init(_ model: LanguageModel, batchTokens: Int = 2048, recordedLimit: Int = 100_000, seed: UInt64 = 0) {
    (self.model, self.batchTokens, self.recordedLimit, self.seed) = (
      model.untracked(), batchTokens, recordedLimit, seed
    )
  }

  /// Runs the model over documents, each by itself, without padding.
  ///
  /// - Parameters:
  ///   - documents: Pieces of text; their numbers are recorded with the sets.
  ///   - data: What the text is, in words.
  ///   - progress: Told the tokens done.
  /// - Returns: The profile.
  /// - Throws: ``ProfilingError`` where a router's logits are not finite.
  public func profile(
    _ documents: [(id: Int, tokens: [Int32])], data: String, progress: (Int) -> Void = { _ in }
  ) throws(ProfilingError) -> CollaborationProfile {
    let configuration = model.configuration
    var accumulator = ProfileAccumulator(
      experts: configuration.experts, topK: configuration.topK, recordedLimit: recordedLimit, seed: seed)
    var (next, done) = (0, 0)
    while next < documents.count {
      var batch: [(id: Int, tokens: [Int32])] = []
      var tokens = 0
      while next < documents.count, batch.isEmpty || tokens + documents[next].tokens.count <= batchTokens {
        batch.append(documents[next])
        tokens += documents[next].tokens.count
        next += 1
      }
      let ids = batch.flatMap { Array(repeating: Int32($0.id), count: $0.tokens.count) }
      let pass = model(TokenBatch(sequences: batch.map(\.tokens)))
      for routing in pass.routing {
        let logits = routing.logits.elements
        guard logits.allSatisfy(\.isFinite) else { throw .notFinite(layer: routing.layer) }
        accumulator.add(
          layer: routing.layer, topK: routing.chosen, weights: routing.chosenWeights.elements, logits: logits,
          documents: ids)
      }
      done += tokens
      progress(done)
    }
    return accumulator.profile(modelType: configuration.modelType, data: data)
  }
}

/// Why a model cannot be profiled.
public enum ProfilingError: Error, Equatable, CustomStringConvertible {
  /// Router logits that are infinite or not a number.
  case notFinite(layer: Int)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .notFinite(let layer):
      "layer \(layer): expected finite router logits, found NaN or infinity; try another checkpoint"
    }
  }
}
