internal import Formats
internal import Text

/// `metrics.jsonl`, the source of truth: one object a line and step.
///
///     {"step":12,"run":"5f0c2a…","tokens":49152,"loss":2.3125,"ce":2.3025,…}
///
/// Keys come in the order of `Metric`, then figures of tasks as `tasks/piqa/acc`, numbers in the shortest form that
/// reads back as the same `Double`. Each record is written at once. A resumed run repeats the steps after its
/// checkpoint, so their records, and a last line torn by a crash, are cut off before the first new one
/// (``MetricsRecord``): every step is in the file once.
public final class JSONLinesSink: MetricSink {
  private let file: AppendFile
  private let run: String?

  /// - Parameters:
  ///   - path: The file; it must not exist unless `kept` is given.
  ///   - run: Identity of the run, part of every record; nil for none.
  ///   - kept: Leading bytes that stay when a run goes on; `nil` for a new run.
  /// - Throws: `MetricError` if the file cannot be written.
  public init(path: String, run: String? = nil, keeping kept: Int? = nil) throws(MetricError) {
    self.run = run
    file = try AppendFile(path: path, mode: kept.map { .keep(length: $0) } ?? .new)
  }

  /// Nothing: the run folder has `recipe.yaml`.
  public func logConfig(_ yaml: String) throws(MetricError) {}

  /// Appends one record.
  public func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError) {
    try file.append(Array((Self.record(step: step, run: run, values: values, tasks: tasks) + "\n").utf8))
  }

  /// Forces all records to disk.
  public func sync() throws(MetricError) { try file.sync() }

  /// Closes the file.
  public func close() throws(MetricError) {
    try file.close()
  }

  /// The text of one record.
  static func record(
    step: Int, run: String? = nil, values: [Metric: Double], tasks: [String: Double] = [:]
  ) -> String {
    var text = "{\"step\":\(step)"
    if let run { text += ",\"run\":\"\(run)\"" }
    for metric in Metric.allCases {
      guard let value = values[metric], value.isFinite else { continue }
      let number = metric.isCount ? Int(exactly: value.rounded()).map { "\($0)" } ?? "\(value)" : "\(value)"
      text += ",\"\(metric.rawValue)\":\(number)"
    }
    for (name, value) in tasks.sorted(by: { $0.key < $1.key }) where value.isFinite {
      text += ",\(JSONValue.string("tasks/" + name).text()):\(value)"
    }
    return text + "}"
  }
}
