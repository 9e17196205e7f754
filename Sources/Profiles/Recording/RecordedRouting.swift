public import Foundation

/// Routing that other programs recorded, read into a profile.
///
/// A source is JSON lines, a `routed_experts` array, or another profile; several sources of one model are one
/// recording, and documents of different sources are different documents.
///
/// Serving programs warm up with dummy tokens that all choose the same experts, one after the other. A set that makes
/// up over 10 % of a layer's rows in a source is taken for that if two thirds of these rows directly follow another one
/// of them: dropped and reported. (Where there are few experts real sets may be as frequent, but they come mixed with
/// others.)
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

  /// Share of a layer's rows above which one set may be a dummy.
  public static let dummyShare = 0.1
  /// Share of a dummy's rows that directly follow another of the same set.
  public static let dummyRepetition = 2.0 / 3

  /// Reads a recording.
  ///
  /// - Parameters:
  ///   - sources: files of one model; at least one.
  ///   - experts: E where the recording does not say; else the largest id + 1, with a warning.
  ///   - firstLayer: absolute number of the first layer of an array, where dense layers below it are not in the array.
  ///   - recordedLimit: most recorded sets per layer.
  ///   - seed: of the sample of recorded sets.
  /// - Throws: `RecordedRoutingError` naming file and row.
  public init(
    _ sources: [RecordedSource], experts: Int? = nil, firstLayer: Int = 0, recordedLimit: Int = 100_000,
    seed: UInt64 = 0
  ) throws(RecordedRoutingError) {
    var parts: [RecordedRows] = []
    for source in sources {
      switch source.contents {
      case .lines(let data): parts.append(try RecordedRows(data, file: source.file, experts: experts))
      case .array(let array):
        parts.append(try RecordedRows(array, file: source.file, experts: experts, firstLayer: firstLayer))
      case .profile(let profile): parts.append(try RecordedRows(profile, file: source.file, experts: experts))
      }
    }
    let model = try RecordedModel(parts, asked: experts)
    var documents = 0
    for part in parts {
      documents += part.documentCount
      guard documents <= Int(Int32.max) else {
        throw .array(
          file: part.file, item: "documents", expected: "numbers below \(Int32.max) in all files together",
          found: "\(documents - 1)", advice: "fewer files at a time")
      }
    }
    var warnings = parts.flatMap(\.warnings)
    if model.guessed {
      let file = sources.map(\.file).joined(separator: ", ")
      warnings.append(
        "\(file): the recording does not say how many experts there are; taking the largest id + 1 = \(model.experts); "
          + "try --experts")
    }
    let layers = parts.flatMap(\.layers.values)
    let hasWeights = layers.allSatisfy { !$0.weights.isEmpty }
    if !hasWeights, layers.contains(where: { !$0.weights.isEmpty }) {
      warnings.append("some of the files have no weights; leaving out those of the others")
    }
    var accumulator = ProfileAccumulator(
      experts: model.experts, topK: model.topK, recordedLimit: recordedLimit, seed: seed)
    var dropped: [Dummy] = []
    var firstDocument: Int32 = 0
    for part in parts {
      for (number, layer) in part.layers.sorted(by: { $0.key < $1.key }) {
        let (kept, dummies) = Self.withoutDummies(layer, number: number, topK: model.topK)
        dropped += dummies
        if kept.documents.isEmpty {
          throw .onlyDummies(file: part.file, layer: number, rows: layer.documents.count)
        }
        accumulator.add(
          layer: number, topK: kept.ids, weights: hasWeights ? kept.weights : [],
          documents: kept.documents.map { $0 + firstDocument })
      }
      firstDocument += Int32(truncatingIfNeeded: part.documentCount)
    }
    profile = accumulator.profile(
      modelType: model.modelType, data: sources.map(\.file).joined(separator: ", "))
    self.dropped = dropped
    self.warnings = warnings
  }

  /// Reads JSON lines.
  ///
  /// - Parameters:
  ///   - jsonl: their text.
  ///   - file: its name, for messages.
  ///   - experts: E where the recording does not say.
  ///   - recordedLimit: most recorded sets per layer.
  ///   - seed: of the sample of recorded sets.
  /// - Throws: `RecordedRoutingError` with line numbers.
  public init(
    jsonl: Data, file: String, experts: Int? = nil, recordedLimit: Int = 100_000, seed: UInt64 = 0
  ) throws(RecordedRoutingError) {
    try self.init(
      [RecordedSource(file: file, contents: .lines(jsonl))], experts: experts, recordedLimit: recordedLimit, seed: seed)
  }

  /// Reads a recording from a file of JSON lines or an array.
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
    try self.init([RecordedSource(path: path)], experts: experts, recordedLimit: recordedLimit, seed: seed)
  }

  /// Takes the start-up rows out of a layer's rows of one source.
  private static func withoutDummies(
    _ layer: RecordedRows.Layer, number: Int, topK: Int
  ) -> (kept: RecordedRows.Layer, dropped: [Dummy]) {
    let sets = layer.sets(topK: topK)
    var counts: [[Int32]: (rows: Int, following: Int)] = [:]
    for (row, set) in sets.enumerated() {
      counts[set, default: (0, 0)].rows += 1
      if row > 0, sets[row - 1] == set { counts[set, default: (0, 0)].following += 1 }
    }
    let dummies = counts.filter { _, count in
      count.rows > 1 && Double(count.rows) > dummyShare * Double(sets.count)
        && Double(count.following) >= dummyRepetition * Double(count.rows)
    }
    if dummies.isEmpty { return (layer, []) }
    let dropped = dummies.map { Dummy(layer: number, set: $0.key, rows: $0.value.rows, of: sets.count) }
      .sorted { ($1.rows, $0.set.first ?? 0) < ($0.rows, $1.set.first ?? 0) }
    var kept = RecordedRows.Layer()
    for (row, set) in sets.enumerated() where dummies[set] == nil {
      let slots = row * topK..<(row + 1) * topK
      kept.ids += layer.ids[slots]
      if !layer.weights.isEmpty { kept.weights += layer.weights[slots] }
      kept.documents.append(layer.documents[row])
    }
    return (kept, dropped)
  }
}

/// What the parts of a recording agree on.
private struct RecordedModel {
  let experts: Int
  let topK: Int
  let modelType: String?
  /// Nobody said E.
  let guessed: Bool

  init(_ parts: [RecordedRows], asked: Int?) throws(RecordedRoutingError) {
    guard let first = parts.first else { throw .empty(file: "recording") }
    for part in parts where part.topK != first.topK {
      throw .disagreement(
        file: part.file, other: first.file, item: "top_k", expected: "\(first.topK)", found: "\(part.topK)")
    }
    let known = parts.filter { $0.experts > 0 }
    for part in known where part.experts != known[0].experts {
      throw .disagreement(
        file: part.file, other: known[0].file, item: "num_experts", expected: "\(known[0].experts)",
        found: "\(part.experts)")
    }
    let named = parts.filter { $0.modelType != nil }
    for part in named where part.modelType != named[0].modelType {
      throw .disagreement(
        file: part.file, other: named[0].file, item: "model_type", expected: named[0].modelType ?? "",
        found: part.modelType ?? "")
    }
    let largest = parts.map(\.largest).max() ?? 0
    experts = known.first?.experts ?? largest + 1
    for part in parts where part.largest >= experts {
      throw .disagreement(
        file: part.file, other: known[0].file, item: "topk_ids", expected: "experts in 0..<\(experts)",
        found: "\(part.largest)")
    }
    topK = first.topK
    modelType = named.first?.modelType
    guessed = known.isEmpty
  }
}
