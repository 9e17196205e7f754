import Formats
import Placements
import Routing
import Evaluation
import Foundation

/// A task's data in one of the forms that are told from content, read and put into the task's words.
struct TaskDataReading: Reader {
  /// Of some forms: texts and tables have none, or have them in quotes.
  let isWithoutNumbers = true
  let fileName: String
  let corpus: [[UInt8]]
  private let task: String
  private let catalog: TaskCatalog

  init(_ task: String, _ fileName: String, _ corpus: [[UInt8]]) throws {
    (self.task, self.fileName, self.corpus) = (task, fileName, corpus)
    catalog = try TaskCatalog()
  }

  /// One reader a form: lines of JSON, a table, elements of XML, an article.
  static func all() throws -> [TaskDataReading] {
    let rows = "EvaluationTests/Oracles/harness/"
    let table =
      "Type,Question,Best Answer,Correct Answers,Incorrect Answers\na,\"Is it, \"\"so\"\"?\",No,No; Not,Yes; It is\n"
    let pairs = "<corpus>\n<pair id=\"1\" entailment=\"YES\"><t>A &amp; B.</t><h>B</h></pair>\n</corpus>\n"
    return try [
      TaskDataReading("arc_easy", "arc_easy.jsonl", [try fixture(rows + "layouts/arc_challenge.jsonl")]),
      TaskDataReading(
        "winogrande", "winogrande.jsonl", [try wholeLines(fixture(rows + "winogrande.jsonl"), upTo: 2000)]),
      TaskDataReading("truthfulqa_mc1", "TruthfulQA.csv", [Array(table.utf8)]),
      TaskDataReading("rte", "rte.jsonl", [Array(pairs.utf8)]),
      TaskDataReading("wikitext", "wikitext.txt", [Array(try fixture(rows + "wikitext.txt").prefix(3000))]),
    ]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    _ = try TaskSet([task], catalog: catalog, folder: folder, shots: 0)
  }
}

/// A task file, applied to sound data.
struct TaskFileReading: Reader {
  let fileName = "task.yaml"
  let corpus: [[UInt8]]
  private let catalog: TaskCatalog

  init() throws {
    corpus = try ["arc_easy", "winogrande", "gsm8k", "mmlu"].map { try fixture("../recipes/tasks/\($0).yaml") }
    catalog = try TaskCatalog()
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    _ = try TaskSet(
      [path], catalog: catalog, folder: fixturePath("EvaluationTests/Oracles/harness"), limit: 4, shots: 1)
  }
}

/// What `occult compare` reads and makes of it: results, and samples beside them.
struct EvaluationReading: Reader {
  let fileName: String
  let corpus: [[UInt8]]
  /// The file of a run that the input takes the place of.
  private let part: String
  private static let run = "EvaluationTests/Fixtures/harness/base/model/"

  init(samples: Bool) throws {
    fileName = samples ? "samples.jsonl" : "results.json"
    let time = "2026-11-27T22-46-28.315653"
    part = samples ? "samples_obqa_local_\(time).jsonl" : "results_\(time).json"
    let file = try fixture(Self.run + part)
    corpus = [samples ? Array(file.split(separator: 10).prefix(2).joined(separator: [10])) : file]
  }

  func mutate(_ input: inout [UInt8], _ random: inout SplitMix64) { mutateText(&input, &random) }

  func read(_ path: String) throws {
    let run = try EvaluationRun(
      Samples.shared.get().folder(fixturePath(Self.run), named: fileName, with: path, as: part))
    let arms = ["a", "b"].map { ComparedArm(name: $0, runs: [run]) }
    _ = try QualityComparison(arms, reference: "a", bootstrap: Bootstrap(draws: 100)).json()
  }
}
