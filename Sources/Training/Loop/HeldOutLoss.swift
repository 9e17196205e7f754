public import Models
public import Text

/// Cross-entropy of one held-out document.
public struct HeldOutDocument: Sendable, Equatable {
  /// Number of the document in its dataset.
  public let id: Int
  /// Σ of the losses of its predicted tokens, in nats.
  public let nll: Double
  /// Predicted tokens.
  public let tokens: Int
}

/// Measures a model on held-out documents, without gradients.
public enum HeldOutLoss {
  /// Scores every document, in batches of whole documents.
  ///
  /// - Parameters:
  ///   - model: Its rules decide which experts are used.
  ///   - documents: What to score; a document's numbers do not depend on the others.
  ///   - batchTokens: Largest batch.
  ///   - meter: Counts communication if given; a batch is a step.
  ///   - progress: Called with the number of documents scored.
  /// - Returns: One entry a document, in their order.
  public static func score(
    _ model: LanguageModel, _ documents: [TokenizedDocument], batchTokens: Int, meter: inout CommunicationMeter?,
    progress: (Int) -> Void = { _ in }
  ) -> [HeldOutDocument] {
    let model = model.untracked()
    var results: [HeldOutDocument] = []
    var start = 0
    while start < documents.count {
      var (end, tokens) = (start, 0)
      while end < documents.count, end == start || tokens + documents[end].tokens.count <= batchTokens {
        tokens += documents[end].tokens.count
        end += 1
      }
      let batch = Batch(sequences: documents[start..<end].map { [$0] })
      let pass = model(TokenBatch(tokens: batch.tokens, segments: batch.segments))
      meter?.add(batch, pass, firstSequence: start)
      meter?.endStep()
      let losses = model.crossEntropy(pass, targets: batch.targets).losses
      for (document, segment) in zip(documents[start..<end], batch.segments) {
        var (nll, count) = (0.0, 0)
        for (loss, target) in zip(losses[segment], batch.targets[segment]) where target != TokenizedDocument.ignored {
          nll += Double(loss)
          count += 1
        }
        results.append(HeldOutDocument(id: document.id, nll: nll, tokens: count))
      }
      start = end
      progress(start)
    }
    return results
  }

  /// Σ nll / Σ tokens in nats per token; nil for no tokens.
  public static func mean(_ documents: [HeldOutDocument]) -> Double? {
    let tokens = documents.reduce(0) { $0 + $1.tokens }
    return tokens == 0 ? nil : documents.reduce(0) { $0 + $1.nll } / Double(tokens)
  }
}
