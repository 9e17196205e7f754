internal import Formats

/// How the files of a source are written.
public enum DataFormat: String, Sendable, Equatable, CaseIterable {
  /// `instruction`, optional `input`, `output`; optional `system` and `history`, a list of pairs.
  case alpaca
  /// `conversations`: a list of `from` (human, gpt, system) and `value`; optional `system`.
  case sharegpt
  /// `messages`: a list of `role` (user, assistant, system) and `content`; optional `system`.
  case chat
  /// `prompt` and `completion`, texts or lists of `role` and `content`; optional `system`.
  case promptCompletion = "prompt_completion"
  /// Plain text files, or `text` in JSON.
  case text

  /// The keys that are read, by the names that `column_map` translates: of a row, then of a message in it.
  public var columns: [String] {
    switch self {
    case .sharegpt: rowColumns + ["from", "value", "weight", "train"]
    case .chat: rowColumns + ["role", "content", "weight", "train"]
    case .alpaca, .promptCompletion, .text: rowColumns
    }
  }

  /// The keys of a row that are read.
  var rowColumns: [String] {
    switch self {
    case .alpaca: ["instruction", "input", "output", "system", "history"]
    case .sharegpt: ["conversations", "system"]
    case .chat: ["messages", "system"]
    case .promptCompletion: ["prompt", "completion", "system"]
    case .text: ["text"]
    }
  }
}

/// What becomes of a sample that says something which cannot be trained on.
public enum UnsupportedSamples: String, Sendable, Equatable, CaseIterable {
  /// It is an error.
  case error
  /// It is left out and counted by reason.
  case drop
}

/// One source of data: files of one format that share a mixing weight.
public struct DataSource: Sendable, Equatable {
  /// Files or shell patterns (`*`, `?`, `[a-z]`), already resolved against the recipe's folder.
  public var paths: [String]
  /// How the files are written.
  public var format: DataFormat
  /// From our name of a column to the file's key, as in `{prompt: question, completion: answer}`.
  public var columnMap: [String: String]
  /// Copies of the source in an epoch: 2 shows every document twice, 0.5 another half of them each epoch.
  public var weight: Double
  /// What becomes of samples with calls of tools, thoughts and the like.
  public var onUnsupported: UnsupportedSamples

  /// Largest ``weight``.
  public static let mostWeight = 1000

  /// Describes a source; nothing is read yet.
  public init(
    paths: [String], format: DataFormat, columnMap: [String: String] = [:], weight: Double = 1,
    onUnsupported: UnsupportedSamples = .error
  ) {
    self.paths = paths
    self.format = format
    self.columnMap = columnMap
    self.weight = weight
    self.onUnsupported = onUnsupported
  }

  /// The files, each pattern's in the order of their bytes, without reading them.
  ///
  /// - Throws: ``DataError`` for a missing file, a pattern without a match, a column name that the format lacks and a
  ///   weight that is not positive or more than ``mostWeight``.
  public func files() throws(DataError) -> [String] {
    for column in columnMap.keys.sorted() where !format.columns.contains(column) {
      throw .unknownColumn(
        column: column, format: format, nearest: Spelling.nearest(to: column, in: format.columns))
    }
    guard weight > 0, weight <= Double(Self.mostWeight) else { throw .weight(path: paths.first ?? "", found: weight) }
    var files: [String] = []
    for path in paths { files += try FilePattern.expand(path) }
    return files
  }
}
