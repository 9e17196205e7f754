internal import Formats

/// How the files of a source are written.
public enum DataFormat: String, Sendable, Equatable, CaseIterable {
  /// `instruction`, optional `input`, `output`.
  case alpaca
  /// `conversations`: a list of `from` (human, gpt, system) and `value`.
  case sharegpt
  /// `messages`: a list of `role` (user, assistant, system) and `content`.
  case chat
  /// `prompt` and `completion`.
  case promptCompletion = "prompt_completion"
  /// Plain text files, or `text` in JSON.
  case text

  /// The keys a file must or may have, by the names that `column_map` translates.
  public var columns: [String] {
    switch self {
    case .alpaca: ["instruction", "input", "output"]
    case .sharegpt: ["conversations"]
    case .chat: ["messages"]
    case .promptCompletion: ["prompt", "completion"]
    case .text: ["text"]
    }
  }
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

  /// Largest ``weight``.
  public static let mostWeight = 1000

  /// Describes a source; nothing is read yet.
  public init(paths: [String], format: DataFormat, columnMap: [String: String] = [:], weight: Double = 1) {
    self.paths = paths
    self.format = format
    self.columnMap = columnMap
    self.weight = weight
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
