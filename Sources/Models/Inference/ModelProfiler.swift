public import Collaboration

/// Counts which experts a model uses together on text.
public enum ModelProfiler {
  /// Runs a model over documents and counts every token of every layer.
  ///
  /// Counts are of the routers' own choice, before any limit; a limit that is kept changes what later layers see.
  ///
  /// - Parameters:
  ///   - model: The model.
  ///   - documents: Token sequences; the index of a sequence is its document in the profile.
  ///   - data: What the text was, for the profile's record.
  ///   - recordedLimit: Most sets recorded per layer.
  ///   - batchTokens: Largest batch.
  ///   - keepsLimit: Whether a limit that the model is under stays while it runs.
  ///   - progress: Called with the number of tokens done.
  /// - Returns: Counts, loads, recorded sets and similarities of logits.
  public static func profile(
    _ model: LanguageModel, documents: [[Int32]], data: String, recordedLimit: Int = 20_000, batchTokens: Int = 4096,
    keepsLimit: Bool = false, progress: (Int) -> Void = { _ in }
  ) -> CollaborationProfile {
    let model = (keepsLimit ? model : model.unlimited()).untracked()
    let configuration = model.configuration
    var accumulator = ProfileAccumulator(
      experts: configuration.experts, topK: configuration.topK, recordedLimit: recordedLimit)
    var (start, done) = (0, 0)
    while start < documents.count {
      var (end, tokens) = (start, 0)
      while end < documents.count, end == start || tokens + documents[end].count <= batchTokens {
        tokens += documents[end].count
        end += 1
      }
      let batch = TokenBatch(sequences: Array(documents[start..<end]))
      let numbers = (start..<end).flatMap { Array(repeating: Int32($0), count: documents[$0].count) }
      for (layer, routing) in model(batch).routing.enumerated() {
        accumulator.add(
          layer: layer, topK: routing.chosen,
          weights: routing.chosenWeights(normalizesTopK: configuration.normalizesTopK).elements,
          logits: routing.logits.elements, documents: numbers)
      }
      start = end
      done += tokens
      progress(done)
    }
    return accumulator.profile(modelType: configuration.modelType, data: data)
  }
}
