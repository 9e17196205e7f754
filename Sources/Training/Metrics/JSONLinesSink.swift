internal import Foundation
internal import InputFiles
internal import Text

/// `metrics.jsonl`, the source of truth: one object a line and step.
///
///     {"step":12,"tokens":49152,"loss":2.3125,"ce":2.3025,…}
///
/// Keys come in the order of `Metric`, then figures of tasks as `tasks/piqa/acc`, numbers in the shortest form that reads back as the same `Double`. Each record is
/// written at once. A resumed run repeats the steps after its checkpoint, so their records, and a last line torn by a
/// crash, are cut off before the first new one: every step is in the file once.
public final class JSONLinesSink: MetricSink {
  private let file: AppendFile

  /// - Parameters:
  ///   - path: The file; it must not exist unless `resumedStep` is given.
  ///   - resumedStep: The step of the checkpoint that a run goes on from; `nil` for a new run.
  /// - Throws: `MetricError` if the file cannot be written, or holds something else before its last line.
  public init(path: String, resumedStep: Int? = nil) throws(MetricError) {
    guard let resumedStep else {
      file = try AppendFile(path: path, mode: .new)
      return
    }
    let bytes = (try? InputFile.bytes(path)) ?? []
    let length = try Self.length(of: bytes, upTo: resumedStep, path: path)
    file = try AppendFile(path: path, mode: .keep(length: length))
  }

  /// Nothing: the run folder has `recipe.yaml`.
  public func logConfig(_ yaml: String) throws(MetricError) {}

  /// Appends one record.
  public func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError) {
    try file.append(Array((Self.record(step: step, values: values, tasks: tasks) + "\n").utf8))
  }

  /// Closes the file.
  public func close() throws(MetricError) {
    try file.close()
  }

  /// The text of one record.
  static func record(step: Int, values: [Metric: Double], tasks: [String: Double] = [:]) -> String {
    var text = "{\"step\":\(step)"
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

  /// How many leading bytes are whole records of steps up to `last`.
  private static func length(of bytes: [UInt8], upTo last: Int, path: String) throws(MetricError) -> Int {
    var kept = 0
    var start = 0
    var line = 1
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      // JSONSerialization rounds doubles in the last place on Linux; only the integer is used.
      let object = try? JSONSerialization.jsonObject(with: Data(bytes[start..<end])) as? [String: Any]
      guard let step = object?["step"] as? Int else { throw .record(path: path, line: line) }
      if step > last { break }
      kept = end + 1
      start = kept
      line += 1
    }
    return kept
  }
}
