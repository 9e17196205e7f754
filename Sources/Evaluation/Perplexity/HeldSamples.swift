internal import Foundation

/// Losses by document in the layout of lm-evaluation-harness, so that `occult compare` pairs them as it pairs answers.
///
///     {"doc_id", "target": "", "filter": "none", "filtered_resps": [log-likelihood], "metrics": ["token_perplexity"],
///      "token_perplexity": [log-likelihood, tokens]}
public enum HeldSamples {
  private struct Line: Encodable {
    let document: String
    let target = ""
    let filter = "none"
    let responses: [Double]
    let metrics = ["token_perplexity"]
    let perplexity: [Double]

    enum CodingKeys: String, CodingKey {
      case target, filter, metrics
      case document = "doc_id"
      case responses = "filtered_resps"
      case perplexity = "token_perplexity"
    }
  }

  /// The text of `samples_<task>_<time>.jsonl`.
  ///
  /// - Parameter documents: Losses by document.
  /// - Returns: One line a document.
  /// - Throws: `EncodingError` for a loss that is not finite.
  public static func text(_ documents: [DocumentLoss]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return try documents.map { document in
      let line = Line(
        document: document.document, responses: [-document.nll],
        perplexity: [-document.nll, Double(document.tokens)])
      return String(decoding: try encoder.encode(line), as: UTF8.self) + "\n"
    }.joined()
  }
}
