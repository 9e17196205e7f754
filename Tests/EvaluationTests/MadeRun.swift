import Foundation

@testable import Evaluation

/// A made-up evaluation in a folder of its own, in the layout of lm-evaluation-harness.
final class MadeRun {
  let path = NSTemporaryDirectory() + "/occult-run-" + UUID().uuidString
  static let time = "2026-01-02T03-04-05.678901"

  init() { try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A task of right and wrong answers among four choices; a wrong one takes the next choice after the right one.
  @discardableResult
  func choices(
    _ task: String, right: [Bool], first: Int = 0, hash: String = "h", gold: (Int) -> Double = { _ in -2 },
    time: String = time
  ) -> MadeRun {
    let lines = right.enumerated().map { index, isRight -> String in
      let id = first + index
      let answer = id % 4
      let taken = isRight ? answer : (answer + 1) % 4
      let responses = (0..<4).map { choice -> String in
        let value = choice == answer ? gold(id) : choice == taken ? gold(id) + 0.5 : -9
        return "[\"\(value)\", \"False\"]"
      }
      let arguments = (0..<4).map {
        "\"gen_args_\($0)\": {\"arg_0\": \"Question \(id)?\", \"arg_1\": \" choice \($0)\"}"
      }
      return """
        {"doc_id": \(id), "doc": {}, "target": "\(answer)", "arguments": {\(arguments.joined(separator: ", "))}, \
        "filtered_resps": [\(responses.joined(separator: ", "))], "filter": "none", "metrics": ["acc"], \
        "doc_hash": "\(hash)\(id)", "acc": \(isRight ? 1.0 : 0.0)}
        """
    }
    return write("samples_\(task)_\(time).jsonl", lines.joined(separator: "\n") + "\n")
  }

  /// A task of pages with log-likelihoods per word.
  @discardableResult
  func pages(_ task: String, _ likelihoods: [Double], words: Int = 10) -> MadeRun {
    let lines = likelihoods.enumerated().map { index, value in
      """
      {"doc_id": \(index), "target": "page", "arguments": {"gen_args_0": {"arg_0": "page \(index)"}}, \
      "filtered_resps": ["\(value)"], "filter": "none", "metrics": ["word_perplexity"], \
      "word_perplexity": [\(value), \(words)]}
      """
    }
    return write("samples_\(task)_\(Self.time).jsonl", lines.joined(separator: "\n") + "\n")
  }

  @discardableResult
  func write(_ name: String, _ text: String) -> MadeRun {
    try? text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
    return self
  }

  /// Results that say what was sent, and which tasks make a group.
  @discardableResult
  func results(group: [String] = [], bytes: Double? = nil) -> MadeRun {
    let figures = bytes.map {
      """
      , "occult": {"device_limit": 2, "communication": {"devices_per_token": 1.9, "remote_copies": 1.5, "naive_copies": 8,
       "naive_remote_copies": 6, "bytes": \($0), "naive_bytes": 4608, "intra_share": 0.4, "imbalance_rows": 1.2,
       "imbalance_wire": 1.1, "retained_mass": 0.9}}
      """
    }
    let tasks = group.map { "\"\($0)\"" }.joined(separator: ", ")
    return write(
      "results_\(Self.time).json",
      """
      {"results": {}, "groups": {"all": {}}, "group_subtasks": {"all": [\(tasks)]}, "higher_is_better": {}\(figures ?? "")}
      """)
  }

  /// The run, with results that say nothing beside samples of a time that has none.
  func run() throws -> EvaluationRun {
    let names = try FileManager.default.contentsOfDirectory(atPath: path)
    for name in names {
      guard let match = name.wholeMatch(of: /samples_.+_(\d{4}-.+)\.jsonl/) else { continue }
      let results = "results_\(match.1).json"
      if !names.contains(results) { write(results, "{}") }
    }
    return try EvaluationRun(path)
  }
}
