internal import Formats

/// Which tokens are learned.
public enum LossScope: String, Sendable, Equatable, CaseIterable {
  /// Responses and their end; prompts are only read.
  case response
  /// Prompts as well.
  case all
}

/// How samples become tokens.
public struct DatasetOptions: Sendable, Equatable {
  /// The words around an instruction.
  public var template: PromptTemplate
  /// Which tokens are learned.
  public var lossOn: LossScope
  /// Longest document; the rest is cut off at the right.
  public var maxTokens: Int
  /// The token that ends a response or a text (`eos_token_id` of the model).
  public var endOfSequence: Int32

  /// Options; see the properties.
  public init(template: PromptTemplate, lossOn: LossScope, maxTokens: Int, endOfSequence: Int32) {
    precondition(maxTokens >= 2, "max_tokens must be at least 2, found \(maxTokens)")
    self.template = template
    self.lossOn = lossOn
    self.maxTokens = maxTokens
    self.endOfSequence = endOfSequence
  }
}

/// Documents ready for batching, and the account of how they came about.
///
/// A turn is tokenised as in the original Alpaca code: the prompt alone gives the number of tokens that are only read,
/// prompt and response together give the tokens, and the end token follows. Where a merge reaches across the border
/// the two differ; the original's answer is kept.
///
/// Messages that say so (`weight: 0`, `train: false`) are read and not learned, whatever `loss_on` says.
///
/// A tokenizer that puts a token before a text (``Tokenizer/prefix``) has it once, before the first turn or the first
/// piece, and it counts in prompt and whole alike. Templates that name that token have it where they name it. What the
/// tokenizer would put behind a text is left out: the end token is there already.
///
/// A text (a plain file, or one `text` of a JSON file) is cut at blank lines into pieces of at most `max_tokens`, each
/// as long as it can be, and longer paragraphs into windows; each piece is a document. The end token follows the last
/// piece if there is room. All its tokens have loss, whatever `loss_on` says.
/// - Source: `preprocess` in `train.py` of tatsu-lab/stanford_alpaca.
public struct Dataset: Sendable {
  /// The documents in the order of the files.
  public let documents: [TokenizedDocument]
  /// What was read, cut and left out.
  public let report: DatasetReport

  /// Reads and tokenises sources.
  ///
  /// - Throws: ``DataError`` for files that are missing or broken, and if no document is left.
  public static func load(
    _ sources: [DataSource], options: DatasetOptions, tokenizer: Tokenizer
  ) throws(DataError) -> Dataset {
    try options.template.check(tokenizer)
    var documents: [TokenizedDocument] = []
    var report = DatasetReport(maxTokens: options.maxTokens)
    var nextID = 0
    for (index, source) in sources.enumerated() {
      let read = try SampleReader(source: source, template: options.template, lossOn: options.lossOn).read()
      var figures = DatasetReport.Source(name: source.paths.joined(separator: ", "))
      figures.dropped = read.dropped
      figures.firstDropped = read.firstDropped
      figures.warnings = read.unread.map(Self.warning)
      figures.lineEnds = read.lineEnds
      figures.samples = read.samples.count + read.dropped.values.reduce(0, +)
      for sample in read.samples {
        let parts =
          source.format == .text
          ? TextPieces.cut(sample.response, line: sample.line, options: options, tokenizer: tokenizer)
          : [TokenizedPart(turns: sample.turns, line: sample.line, options: options, tokenizer: tokenizer)]
        var kept = 0
        for part in parts {
          defer { nextID += 1 }
          let document = TokenizedDocument(
            tokens: part.tokens, hasLoss: part.hasLoss, id: nextID, source: "\(sample.file):\(part.line)",
            sourceIndex: index, weight: source.weight)
          guard document.lossTokens > 0 else { continue }
          documents.append(document)
          kept += 1
          figures.tokens += document.tokens.count
          figures.lossTokens += document.lossTokens
          if part.isTruncated { figures.truncated += 1 }
        }
        figures.documents += kept
        if kept == 0 {
          let reason = sample.isLearned(options.lossOn) ? DropReason.noLossTokens : .nothingLearned
          figures.dropped[reason, default: 0] += 1
        }
      }
      report.sources.append(figures)
    }
    if documents.isEmpty { throw .nothingLeft(report: report) }
    return Dataset(documents: documents, report: report)
  }

  /// What to say of columns that nothing reads.
  private static func warning(_ file: String, _ columns: [String]) -> String {
    let most = 12
    let names = columns.prefix(most).map { "'\($0)'" }.joined(separator: ", ")
    let rest = columns.count > most ? " and \(columns.count - most) more" : ""
    return
      "\(file): nothing reads the columns \(names)\(rest); if one belongs to the sample, column_map gives it its place"
  }

  /// Takes a share of the documents away, for validation: chosen by the seed, both sides in the order of the files.
  ///
  /// The share is rounded to a whole number of documents, but at least one.
  ///
  /// - Throws: ``DataError/split(share:documents:)`` if either side would be empty.
  public func split(
    share: Double, seed: UInt64
  ) throws(DataError) -> (rest: [TokenizedDocument], share: [TokenizedDocument]) {
    guard share > 0, share < 1, documents.count > 1 else {
      throw .split(share: share, documents: documents.count)
    }
    let count = max(1, Int((share * Double(documents.count)).rounded()))
    guard count < documents.count else { throw .split(share: share, documents: documents.count) }
    var generator = SplitMix64(seed: seed, stream: RandomStream.split)
    let taken = Set(generator.permutation(documents.count).prefix(count))
    return (
      documents.indices.filter { !taken.contains($0) }.map { documents[$0] },
      documents.indices.filter { taken.contains($0) }.map { documents[$0] }
    )
  }
}

/// Uses of the one seed, kept apart.
enum RandomStream {
  static let split: UInt64 = 1
  static let order: UInt64 = 2
  static let fraction: UInt64 = 3
}

extension Sample {
  /// Whether any of its turns is learned.
  fileprivate func isLearned(_ lossOn: LossScope) -> Bool {
    turns.contains { $0.learnsResponse || (lossOn == .all && $0.learnsPrompt) }
  }
}

/// The tokens of a document before they are given an identity.
struct TokenizedPart {
  var tokens: [Int32]
  var hasLoss: [Bool]
  let line: Int
  var isTruncated = false

  /// A piece of text: every token has loss.
  init(text tokens: [Int32], line: Int) {
    self.tokens = tokens
    hasLoss = Array(repeating: true, count: tokens.count)
    self.line = line
  }

  init(turns: [Sample.Turn], line: Int, options: DatasetOptions, tokenizer: Tokenizer) {
    tokens = []
    hasLoss = []
    self.line = line
    let end = options.template.end(tokenizer, endOfSequence: options.endOfSequence)
    for (number, turn) in turns.enumerated() where tokens.count <= options.maxTokens {
      let (opening, continues) = options.template.opening(ofTurn: number, tokenizer)
      let whole = opening + tokenizer.encode(turn.prompt + turn.response, continues: continues) + [end]
      let prompt = opening.count + tokenizer.encode(turn.prompt, continues: continues).count
      let read = min(prompt, whole.count - 1)
      let learnsPrompt = options.lossOn == .all && turn.learnsPrompt
      tokens += whole
      hasLoss += whole.indices.map { $0 < read ? learnsPrompt : turn.learnsResponse }
    }
    if tokens.count > options.maxTokens {
      isTruncated = true
      tokens.removeLast(tokens.count - options.maxTokens)
      hasLoss.removeLast(hasLoss.count - options.maxTokens)
    }
  }
}
