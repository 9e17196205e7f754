/// Why a sample is not trained on.
public enum DropReason: Sendable, Hashable, Comparable {
  /// Every token to be learned lies beyond `max_tokens`, or there is none.
  case noLossTokens
  /// A conversation in which user and assistant do not take turns.
  case notAlternating
  /// A conversation in which nobody responds.
  case noResponse
  /// Every message says that it is only read.
  case nothingLearned
  /// A key, a role or a kind of content that no template has words for, by its name.
  case unsupported(String)

  /// The reason in words.
  public var words: String {
    switch self {
    case .noLossTokens: "no token to learn within max_tokens"
    case .notAlternating: "user and assistant do not take turns"
    case .noResponse: "no response to learn"
    case .nothingLearned: "every response has weight 0"
    case .unsupported(let what): "\(what) is not supported"
    }
  }

  /// What to try where this is why nothing is left.
  var hint: String {
    switch self {
    case .noLossTokens: "a larger max_tokens or another format"
    case .notAlternating:
      "conversations that begin with a user's message, or a system message and it, and go on in turn"
    case .noResponse: "conversations with a response, or format: text"
    case .nothingLearned: "weight 1 for what is to be learned, or data.loss_on: all"
    case .unsupported: "samples without it"
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
    /// Of reasons that have one, the first place with what was found there.
    public var firstDropped: [DropReason: String] = [:]
    /// Columns of files that nothing reads, a line each file.
    public var warnings: [String] = []
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
  /// Whether every sample was taken, and every column of the files is known.
  public var isWhole: Bool { droppedCount == 0 && sources.allSatisfy(\.warnings.isEmpty) }
  /// Tokens of all documents.
  public var tokens: Int { sources.reduce(0) { $0 + $1.tokens } }
  /// Tokens that are predicted with loss, all sources together.
  public var lossTokens: Int { sources.reduce(0) { $0 + $1.lossTokens } }

  /// One line a source, and one for each of its warnings.
  public var description: String {
    sources.flatMap { [line($0)] + $0.warnings.map { "warning: \($0)" } }.joined(separator: "\n")
  }

  /// What to try where nothing is left: by the reason that most samples were dropped for.
  var hint: String {
    var dropped: [DropReason: Int] = [:]
    for source in sources { dropped.merge(source.dropped, uniquingKeysWith: +) }
    let most = dropped.max { ($0.value, $1.key) < ($1.value, $0.key) }
    return most?.key.hint ?? DropReason.noLossTokens.hint
  }

  private func line(_ source: Source) -> String {
    var text = "\(source.name): \(count(source.samples, "sample")), \(count(source.documents, "document"))"
    text += ", \(count(source.tokens, "token")), \(source.lossTokens) with loss"
    if source.truncated > 0 { text += "; \(source.truncated) truncated to \(maxTokens) tokens" }
    for (reason, dropped) in source.dropped.sorted(by: { $0.key < $1.key }) where dropped > 0 {
      text += "; \(dropped) dropped: \(reason.words)" + (source.firstDropped[reason].map { " (first: \($0))" } ?? "")
    }
    if source.lineEnds > 0 { text += "; \(source.lineEnds) line ends \\r\\n or \\r read as \\n" }
    return text
  }

  /// What a person should know where the whole is not shown.
  package var notes: [String] { sources.compactMap { LineEnds.note($0.name, replaced: $0.lineEnds) } }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
