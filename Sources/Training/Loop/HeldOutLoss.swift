internal import Host
public import ExpertParallel
public import Models
internal import Tensors
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
  ///   - ranks: The processes that share the documents and the model's experts; all of them get all results.
  ///   - progress: Called with the number of documents scored, on all ranks alike; what it throws ends the scoring.
  /// - Returns: One entry a document, in their order.
  public static func score(
    _ model: LanguageModel, _ documents: [TokenizedDocument], batchTokens: Int, meter: inout CommunicationMeter?,
    ranks: any Communicator = SingleProcess(), progress: (Int) throws -> Void
  ) rethrows -> [HeldOutDocument] {
    let before = Activity.current
    defer { Activity.note(before) }
    let model = model.untracked()
    var results: [HeldOutDocument] = []
    var start = 0
    while start < documents.count {
      var (end, tokens) = (start, 0)
      while end < documents.count, end == start || tokens + documents[end].tokens.count <= batchTokens {
        tokens += documents[end].tokens.count
        end += 1
      }
      Activity.note("the loss of documents \(start + 1) to \(end)")
      let whole = Batch(sequences: documents[start..<end].map { [$0] })
      let part = MicroBatch(whole, ranks, firstSequence: start)
      let (batch, pass) = (part.batch, model(part.tokens))
      meter?.add(batch, pass, firstSequence: start, ranks: ranks)
      meter?.endStep(ranks)
      let losses = model.crossEntropy(pass, targets: batch.targets).losses
      let sums = batch.segments.map { segment in
        zip(losses[segment], batch.targets[segment]).reduce(0.0) { sum, pair in
          pair.1 == TokenizedDocument.ignored ? sum : sum + Double(pair.0)
        }
      }
      for (place, nll) in ranks.gather(sums, of: end - start, first: start).enumerated() {
        let document = documents[start + place]
        let tokens = document.targets.count { $0 != TokenizedDocument.ignored }
        results.append(HeldOutDocument(id: document.id, nll: nll, tokens: tokens))
      }
      start = end
      try progress(start)
    }
    return results
  }

  /// The same without a word on the way.
  public static func score(
    _ model: LanguageModel, _ documents: [TokenizedDocument], batchTokens: Int, meter: inout CommunicationMeter?,
    ranks: any Communicator = SingleProcess()
  ) -> [HeldOutDocument] {
    score(model, documents, batchTokens: batchTokens, meter: &meter, ranks: ranks) { _ in }
  }

  /// Σ nll / Σ tokens in nats per token; nil for no tokens.
  public static func mean(_ documents: [HeldOutDocument]) -> Double? {
    let tokens = documents.reduce(0) { $0 + $1.tokens }
    return tokens == 0 ? nil : documents.reduce(0) { $0 + $1.nll } / Double(tokens)
  }
}
