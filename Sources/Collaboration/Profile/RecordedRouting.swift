public import Foundation

/// Routing that another program recorded, one JSON object a line, read into a profile.
///
///     {"type": "meta", "num_experts": 64, "top_k": 8, …}                                        optional, first
///     {"type": "route", "layer": 0, "topk_ids": [3, 17, …], "topk_weights": [0.2, …], "req_id": "r0"}
///
/// `type` and `req_id` may be left out; lines of one `req_id` are one document.
/// Serving programs warm up with dummy tokens that all choose the same experts. A set that makes up over 10 % of a layer's
/// rows is taken for that: dropped and reported. (A set that occurs once is no dummy, however short the recording.)
public struct RecordedRouting: Sendable {
  /// The profile, without dummies.
  public let profile: CollaborationProfile
  /// What was dropped.
  public let dropped: [Dummy]
  /// What a reader should know, in words.
  public let warnings: [String]

  /// A start-up set that was dropped from a layer.
  public struct Dummy: Sendable, Equatable, CustomStringConvertible {
    /// Absolute layer number.
    public let layer: Int
    /// The experts, ascending.
    public let set: [Int32]
    /// Rows with that set.
    public let rows: Int
    /// Rows of the layer before it was dropped.
    public let of: Int

    /// One line for a report.
    public var description: String {
      "layer \(layer): dropped \(rows) of \(of) rows, all with experts \(set.map(String.init).joined(separator: ", ")): "
        + "start-up dummies"
    }
  }

  /// Share of a layer's rows above which one set is a dummy.
  public static let dummyShare = 0.1

  /// Reads a recording.
  ///
  /// - Parameters:
  ///   - jsonl: its contents.
  ///   - file: its name, for messages.
  ///   - experts: E where the recording does not say; else the largest id + 1, with a warning.
  ///   - recordedLimit: most recorded sets per layer.
  ///   - seed: of the sample of recorded sets.
  /// - Throws: `RecordedRoutingError` with line numbers.
  public init(
    jsonl: Data, file: String, experts: Int? = nil, recordedLimit: Int = 100_000, seed: UInt64 = 0
  ) throws(RecordedRoutingError) {
    let rows = try RecordedRows(jsonl, file: file, experts: experts)
    var warnings: [String] = []
    if rows.guessedExperts {
      warnings.append(
        "\(file): the recording does not say how many experts there are; taking the largest id + 1 = \(rows.experts); "
          + "try --experts")
    }
    var accumulator = ProfileAccumulator(
      experts: rows.experts, topK: rows.topK, recordedLimit: recordedLimit, seed: seed)
    var dropped: [Dummy] = []
    for (number, layer) in rows.layers.sorted(by: { $0.key < $1.key }) {
      var counts: [[Int32]: Int] = [:]
      let sets = layer.sets(topK: rows.topK)
      for set in sets { counts[set, default: 0] += 1 }
      let dummies = counts.filter { $0.value > 1 && Double($0.value) > Self.dummyShare * Double(sets.count) }
      for (set, count) in dummies.sorted(by: { ($1.value, $0.key.first ?? 0) < ($0.value, $1.key.first ?? 0) }) {
        dropped.append(Dummy(layer: number, set: set, rows: count, of: sets.count))
      }
      var kept = RecordedRows.Layer()
      for (row, set) in sets.enumerated() where dummies[set] == nil {
        kept.ids += layer.ids[row * rows.topK..<(row + 1) * rows.topK]
        kept.weights += layer.weights[row * rows.topK..<(row + 1) * rows.topK]
        kept.documents.append(layer.documents[row])
      }
      if kept.documents.isEmpty { throw .onlyDummies(file: file, layer: number, rows: sets.count) }
      accumulator.add(layer: number, topK: kept.ids, weights: kept.weights, documents: kept.documents)
    }
    profile = accumulator.profile(modelType: rows.modelType, data: file)
    self.dropped = dropped
    self.warnings = warnings
  }

  /// Reads a recording from a file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - experts: E where the recording does not say.
  ///   - recordedLimit: most recorded sets per layer.
  ///   - seed: of the sample of recorded sets.
  /// - Throws: `RecordedRoutingError`.
  public init(
    path: String, experts: Int? = nil, recordedLimit: Int = 100_000, seed: UInt64 = 0
  ) throws(RecordedRoutingError) {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else { throw .unreadable(file: path) }
    try self.init(jsonl: data, file: path, experts: experts, recordedLimit: recordedLimit, seed: seed)
  }
}

/// Why recorded routing cannot be read.
public enum RecordedRoutingError: Error, Equatable, CustomStringConvertible {
  /// One line that is wrong, by its number in the file, from 1.
  public struct BrokenLine: Sendable, Equatable {
    /// From 1.
    public let line: Int
    /// What was expected and found.
    public let problem: String
  }

  /// The file cannot be opened.
  case unreadable(file: String)
  /// No line records routing.
  case empty(file: String)
  /// The first broken lines, and how many there are in all.
  case broken(file: String, lines: [BrokenLine], total: Int)
  /// The caller and the recording disagree on E.
  case experts(file: String, asked: Int, recorded: Int)
  /// Every row of a layer is a start-up dummy.
  case onlyDummies(file: String, layer: Int, rows: Int)

  /// `where: expected …, found …; try …`, a line for each broken line.
  public var description: String {
    switch self {
    case .unreadable(let file): "\(file): expected a readable JSONL file, found none"
    case .empty(let file):
      "\(file): expected lines with layer, topk_ids and topk_weights, found none"
    case .broken(let file, let lines, let total):
      lines.map { "\(file):\($0.line): \($0.problem)" }.joined(separator: "\n")
        + (total > lines.count ? "\n\(file): \(total - lines.count) more broken lines" : "")
    case .experts(let file, let asked, let recorded):
      "\(file): num_experts: expected \(asked) as asked for, found \(recorded); try without --experts"
    case .onlyDummies(let file, let layer, let rows):
      "\(file): layer \(layer): expected routing of real text, found \(rows) rows that repeat a few sets "
        + "(each over 10 %: start-up dummies); try a longer recording"
    }
  }
}
