public import Checkpoint
internal import Formats
internal import Foundation
public import Text

/// The data of a recipe, tokenised.
public struct TrainingData: Sendable {
  /// What is trained on, without what `validation` took away.
  public let train: [TokenizedDocument]
  /// What is measured during training.
  public let validation: [TokenizedDocument]
  /// What is measured at the end.
  public private(set) var test: [TokenizedDocument]
  /// Base-domain text, every token of which counts.
  public private(set) var retention: [TokenizedDocument]
  /// Text that experts are profiled on: training text.
  public let profile: [TokenizedDocument]
  /// What was read, dropped and truncated, by part.
  public let reports: [(part: String, report: DatasetReport)]
  /// What a person should know of the tokenizer's files and of the template, each complete.
  public let notes: [String]

  /// Which parts a command needs.
  public struct Parts: OptionSet, Sendable {
    /// One bit a part.
    public let rawValue: Int
    /// Parts by their bits.
    public init(rawValue: Int) { self.rawValue = rawValue }
    /// `data.train` and `data.validation`.
    public static let training = Parts(rawValue: 1)
    /// `data.test` and `data.retention`.
    public static let evaluation = Parts(rawValue: 2)
    /// `data.profile`.
    public static let profile = Parts(rawValue: 4)
  }

  /// Documents that are tokenised already, nothing to test or to profile.
  ///
  /// - Parameters:
  ///   - train: What is trained on.
  ///   - validation: What is measured during training.
  public init(train: [TokenizedDocument], validation: [TokenizedDocument] = []) {
    (self.train, self.validation, test, retention, profile, reports) = (train, validation, [], [], [], [])
    notes = []
  }

  /// Reads and tokenises the data of a recipe.
  ///
  /// - Parameters:
  ///   - recipe: Its `data` section.
  ///   - tokenizer: The model's.
  ///   - endOfSequence: Token that ends a response.
  ///   - parts: What is needed; the rest stays empty.
  /// - Throws: `DataError` naming file and line.
  public init(_ recipe: Recipe, tokenizer: Tokenizer, endOfSequence: Int32, parts: Parts) throws(DataError) {
    let data = recipe.data
    let options = DatasetOptions(
      template: data.template, lossOn: data.lossOn, maxTokens: data.maxTokens, endOfSequence: endOfSequence)
    var reports: [(String, DatasetReport)] = []
    var usesTemplate = false
    func load(_ part: String, _ sources: [Recipe.Source]) throws(DataError) -> Dataset {
      if sources.contains(where: { $0.format != .text }) { usesTemplate = true }
      let dataset = try Dataset.load(
        sources.map { DataSource($0, data.onUnsupported) }, options: options, tokenizer: tokenizer)
      reports.append((part, dataset.report))
      return dataset
    }
    var train: [TokenizedDocument] = []
    var validation: [TokenizedDocument] = []
    if parts.contains(.training) {
      let all = try load("train", data.train)
      train = all.documents
      switch data.validation {
      case .share(let share) where share > 0:
        (train, validation) = try all.split(share: share, seed: UInt64(recipe.run.seed))
      case .share: break
      case .sources(let sources): validation = try load("validation", sources).documents
      }
    }
    (self.train, self.validation) = (train, validation)
    let measures = parts.contains(.evaluation)
    test = measures && !data.test.isEmpty ? try load("test", data.test).documents : []
    retention = measures && !data.retention.isEmpty ? try load("retention", data.retention).documents : []
    if parts.contains(.profile) {
      profile =
        data.profile.isEmpty && !train.isEmpty
        ? train : try load("profile", data.profile.isEmpty ? data.train : data.profile).documents
    } else {
      profile = []
    }
    self.reports = reports
    let template = usesTemplate ? tokenizer.note(on: data.template, setBy: "data.template") : nil
    notes = tokenizer.notes + (template.map { [$0] } ?? [])
  }

  /// The same data with at most so many test and retention documents, the first ones.
  ///
  /// - Parameter count: Most documents of each; nil for all.
  /// - Returns: The data.
  public func limited(to count: Int?) -> TrainingData {
    guard let count else { return self }
    var copy = self
    copy.test = Array(test.prefix(count))
    copy.retention = Array(retention.prefix(count))
    return copy
  }

  /// The same data with at most so many test and retention documents, evenly spread over all.
  ///
  /// - Parameter count: Most documents of each; nil for all.
  /// - Returns: The data.
  public func thinned(to count: Int?) -> TrainingData {
    guard let count else { return self }
    func thinned(_ documents: [TokenizedDocument]) -> [TokenizedDocument] {
      if documents.count <= count { return documents }
      return (0..<count).map { documents[$0 * documents.count / count] }
    }
    var copy = self
    copy.test = thinned(test)
    copy.retention = thinned(retention)
    return copy
  }

  /// Tokens that are profiled at most: on OLMoE's geometry E[C_T] moves by less than 0.01 beyond.
  public static let profiledTokens = 60_000

  /// Documents of the profile text, evenly spread over it, of about ``profiledTokens`` tokens.
  public var profileDocuments: [(id: Int, tokens: [Int32])] {
    let tokens = profile.reduce(0) { $0 + $1.tokens.count }
    let step = max(1, (tokens + Self.profiledTokens - 1) / Self.profiledTokens)
    return stride(from: 0, to: profile.count, by: step).map { (profile[$0].id, profile[$0].tokens) }
  }

  /// The tokenizer and the end-of-text token of a model's files.
  ///
  /// - Parameter files: The model.
  /// - Returns: Both.
  /// - Throws: ``ModelTextError`` saying what the files lack; `TokenizerError`.
  public static func tokenizer(of files: ModelFiles) throws -> (tokenizer: Tokenizer, endOfSequence: Int32) {
    guard let end = files.configuration.endTokens.first else { throw ModelTextError.noEnd(model: files.path) }
    guard let tokenizer = try ModelTokenizer.load(files) else { throw ModelTextError.noTokenizer(model: files.path) }
    try check(tokenizer, files)
    return (tokenizer, Int32(end))
  }

  /// Checks that the model has an embedding for every token.
  ///
  /// - Parameters:
  ///   - tokenizer: Its tokenizer.
  ///   - files: The model.
  /// - Throws: ``ModelTextError/vocabulary(model:embeddings:tokens:)``.
  package static func check(_ tokenizer: Tokenizer, _ files: ModelFiles) throws(ModelTextError) {
    guard tokenizer.vocabularySize <= files.configuration.vocabulary else {
      throw .vocabulary(
        model: files.path, embeddings: files.configuration.vocabulary, tokens: tokenizer.vocabularySize)
    }
  }
}

/// What a model lacks to work with text.
public enum ModelTextError: Error, Equatable, CustomStringConvertible {
  /// There is no tokenizer.
  case noTokenizer(model: String)
  /// The configuration names no token that ends a text.
  case noEnd(model: String)
  /// The tokenizer has ids that the model has no embeddings for.
  case vocabulary(model: String, embeddings: Int, tokens: Int)

  /// The message for a person.
  public var description: String {
    switch self {
    case .noTokenizer(let model):
      "\(model): expected a tokenizer, found none; try adding tokenizer.json or tokenizer.model to the Hugging Face folder and converting again"
    case .noEnd(let model):
      "\(model): config.json: expected eos_token_id, found none; try adding it and converting again"
    case .vocabulary(let model, let embeddings, let tokens):
      "\(model): expected a tokenizer of at most \(counted(embeddings, "id")), as the model has embeddings, found \(tokens); "
        + "try the tokenizer that belongs to the model"
    }
  }
}

extension DataSource {
  /// A source as a recipe describes it.
  init(_ source: Recipe.Source, _ onUnsupported: UnsupportedSamples) {
    self.init(
      paths: [source.path], format: source.format, columnMap: source.columnMap, weight: source.weight,
      onUnsupported: onUnsupported)
  }
}
