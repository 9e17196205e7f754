/// Why a sample is not trained on.
public enum DropReason: String, Sendable, Equatable, CaseIterable {
  /// Every token to be learned lies beyond `max_tokens`, or there is none.
  case noLossTokens
  /// A conversation in which user and assistant do not take turns.
  case notAlternating

  /// The reason in words.
  public var words: String {
    switch self {
    case .noLossTokens: "no token to learn within max_tokens"
    case .notAlternating: "user and assistant do not take turns"
    }
  }
}

/// What became of the samples: nothing is left out silently.
public struct DatasetReport: Sendable, Equatable, CustomStringConvertible {
  /// The figures of one source.
  public struct Source: Sendable, Equatable {
    /// Its paths, as the recipe has them.
    public let name: String
    /// Samples in the files; for plain text files and entries.
    public var samples = 0
    /// Documents made of them; a long text becomes several.
    public var documents = 0
    /// Samples cut at `max_tokens`.
    public var truncated = 0
    /// Samples left out.
    public var dropped: [DropReason: Int] = [:]
    /// Tokens of all documents.
    public var tokens = 0
    /// Tokens that are predicted with loss.
    public var lossTokens = 0
    /// Line ends of plain files that were read as `\n`.
    public var lineEnds = 0
  }

  /// In the order of the recipe.
  public internal(set) var sources: [Source] = []
  /// Longest document allowed.
  public let maxTokens: Int

  /// Samples left out, all sources together.
  public var droppedCount: Int { sources.reduce(0) { $0 + $1.dropped.values.reduce(0, +) } }
  /// Samples cut at `max_tokens`, all sources together.
  public var truncatedCount: Int { sources.reduce(0) { $0 + $1.truncated } }
  /// Tokens of all documents.
  public var tokens: Int { sources.reduce(0) { $0 + $1.tokens } }
  /// Tokens that are predicted with loss, all sources together.
  public var lossTokens: Int { sources.reduce(0) { $0 + $1.lossTokens } }

  /// One line a source.
  public var description: String { sources.map(line).joined(separator: "\n") }

  private func line(_ source: Source) -> String {
    var text = "\(source.name): \(count(source.samples, "sample")), \(count(source.documents, "document"))"
    text += ", \(count(source.tokens, "token")), \(source.lossTokens) with loss"
    if source.truncated > 0 { text += "; \(source.truncated) truncated to \(maxTokens) tokens" }
    for reason in DropReason.allCases {
      if let dropped = source.dropped[reason], dropped > 0 { text += "; \(dropped) dropped: \(reason.words)" }
    }
    if source.lineEnds > 0 { text += "; \(source.lineEnds) line ends \\r\\n or \\r read as \\n" }
    return text
  }

  /// What a person should know where the whole is not shown.
  package var notes: [String] { sources.compactMap { LineEnds.note($0.name, replaced: $0.lineEnds) } }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
