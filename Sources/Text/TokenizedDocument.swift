/// A document as tokens: what attention may look over, and no further.
public struct TokenizedDocument: Sendable, Equatable {
  /// The target of a position without loss.
  public static let ignored: Int32 = -100

  /// The tokens, at most `max_tokens`.
  public let tokens: [Int32]
  /// The token to be predicted at each position, already shifted; ``ignored`` for none. The last is always ignored.
  public let targets: [Int32]
  /// Number of the sample in the data set, which splitting and shuffling do not change.
  public let id: Int
  /// File and line, `file:line`.
  public let source: String
  /// Which source of the recipe it belongs to.
  public let sourceIndex: Int
  /// Copies in an epoch, see ``DataSource/weight``.
  public let weight: Double

  /// A document of which `hasLoss` says, token by token, whether it is to be predicted; the first never is.
  public init(
    tokens: [Int32], hasLoss: [Bool], id: Int, source: String, sourceIndex: Int = 0, weight: Double = 1
  ) {
    precondition(tokens.count == hasLoss.count, "document: \(tokens.count) tokens, \(hasLoss.count) loss flags")
    self.tokens = tokens
    targets = tokens.indices.map { $0 + 1 < tokens.count && hasLoss[$0 + 1] ? tokens[$0 + 1] : Self.ignored }
    self.id = id
    self.source = source
    self.sourceIndex = sourceIndex
    self.weight = weight
  }

  /// Positions with loss.
  public var lossTokens: Int { targets.count { $0 != Self.ignored } }
}
