public import Foundation

/// The layout of `comparison.json` of `occult compare`, version 1.
///
///     {"format": "occult-quality-comparison", "version": 1, "headline", "verdict": [paragraph, …],
///      "reference", "base", "bootstrap": {"draws", "seed"},
///      "arms": [{"name", "runs": [path, …], "device_limit", "communication": {…}}, …],
///      "tasks": [{"task", "questions", "left_out", "at_chance", "further_filter", "metrics": [metric, …]}, …],
///      "mean": metric, "lone_tasks": [name, …], "notes": [sentence, …],
///      "flips": [{"task", "question", "arm", "direction": "gained" | "lost", "share", "reference_share", "prompt",
///       "choices", "gold", "answer", "reference_answer"}, …]}
///
///     metric: {"metric", "unit", "higher_is_better", "chance", "at_chance",
///      "values": [{"arm", "value", "stderr"}, …],
///      "differences": [{"arm", "difference": {"mean", "low", "high", "detectable"}, "p", "test": "mcnemar" | "bootstrap",
///       "adjusted", "verdict": "better" | "worse" | "no_difference_shown", "gained", "lost", "non_inferiority": {…}}, …]}
///
/// The primary metric of a task is the first; one under a further filter is in no verdict and no mean. Keys without a value are left out. `non_inferiority` and `communication` are as in the `comparison.json` of a study.
extension QualityComparison: Encodable {
  /// The value of `format`.
  static let format = "occult-quality-comparison"
  /// The value of `version`.
  static let version = 1

  enum CodingKeys: String, CodingKey {
    case format, version, headline, verdict, reference, base, bootstrap, arms, tasks, mean, flips, notes
    case loneTasks = "lone_tasks"
  }

  /// Writes a comparison.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(Self.version, forKey: .version)
    try container.encode(headline, forKey: .headline)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(reference, forKey: .reference)
    try container.encodeIfPresent(base, forKey: .base)
    try container.encode(bootstrap, forKey: .bootstrap)
    try container.encode(arms, forKey: .arms)
    try container.encode(tasks, forKey: .tasks)
    try container.encodeIfPresent(mean, forKey: .mean)
    try container.encode(loneTasks, forKey: .loneTasks)
    if !notes.isEmpty { try container.encode(notes, forKey: .notes) }
    try container.encode(flips, forKey: .flips)
  }

  /// The bytes of `comparison.json`, with sorted keys.
  ///
  /// - Throws: `EncodingError` when a number is not finite, which those of `init(_:reference:base:margin:bootstrap:)`
  ///   never are.
  public func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }
}
