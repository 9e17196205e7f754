import Formats
import Foundation
import Testing

@testable import Evaluation
@testable import Text

@Suite struct TaskScoresTests {
  private func figure(_ value: Double, _ error: Double?) -> TaskFigure {
    TaskFigure(metric: .acc, filter: "none", value: value, standardError: error)
  }

  /// Against the formulas, worked out by hand: 3 of 4, then sizes 10 and 30.
  @Test func meansAndErrors() {
    let hits = [true, true, false, true].map(DocumentFigure.hit)
    let (mean, error) = TaskScores.aggregate(.acc, hits)
    #expect(mean == 0.75 && abs((error ?? .nan) - 0.25) <= 1e-12)
    #expect(TaskScores.aggregate(.acc, [.hit(true)]).standardError == nil)
    let pooled = TaskScores.pooled([(figure(0.5, 0.1), 10), (figure(0.7, 0.05), 30)])
    #expect(abs(pooled.value - 0.65) <= 1e-12)
    let squares: [Double] = [9 * 10 * 0.01, 29 * 30 * 0.0025]
    let variance = (squares[0] + squares[1]) / 38 / 40
    #expect(abs((pooled.standardError ?? .nan) - variance.squareRoot()) <= 1e-12)
    #expect(TaskScores.pooled([(figure(0.5, nil), 10), (figure(0.7, 0.05), 30)]).standardError == nil)
  }

  @Test func perplexities() {
    let weighted: [DocumentFigure] = [.weighted(-6, 3), .weighted(-2, 1)]
    #expect(abs(TaskScores.aggregate(.wordPerplexity, weighted).value - exp(2)) <= 1e-12)
    #expect(abs(TaskScores.aggregate(.bitsPerByte, weighted).value - 2 / log(2)) <= 1e-12)
    #expect(TaskScores.aggregate(.bytePerplexity, weighted).standardError == nil)
    let items: [DocumentFigure] = (0..<40).map { .logLikelihood(-3 - 0.01 * Double($0 % 5)) }
    let (value, error) = TaskScores.aggregate(.perplexity, items, draws: 4000)
    #expect(abs(value - exp(3.02)) <= 1e-9)
    // Small errors: exp(m) · s / √n, with the population's s as a bootstrap has it.
    let deviation: Double = 0.0002.squareRoot()
    let expected: Double = exp(3.02) * deviation / 40.0.squareRoot()
    #expect(abs((error ?? .nan) - expected) <= 0.05 * expected)
  }

  /// Lengths in Unicode scalars and bytes decide differently; the first of equals wins.
  @Test func normalisedChoices() throws {
    let definition = try #require(
      try TaskDefinition.parse(
        "task: t\noutput_type: multiple_choice\ndata: {split: test, files: [t.jsonl]}\ndoc_to_text: \"\"\n"
          + "doc_to_choice: \"{{c}}\"\ndoc_to_target: \"{{g}}\"\nmetric_list: [acc, acc_norm, acc_bytes]", file: "t"
      ).first)
    func hits(_ choices: [String], _ scores: [Double]) -> [DocumentFigure] {
      let document = TaskDocument(
        id: 0, line: 1, row: .object([]), target: .integer(0), gold: 0, choices: choices, requests: [], words: 0,
        bytes: 0)
      let scored = ScoredDocument(
        document: document, responses: scores.map { Response(logLikelihood: $0, isGreedy: false) }, answer: nil,
        isClose: false, isTruncated: false)
      let loaded = LoadedTask(
        definition: definition, file: "t", available: 1, shots: 0, exampleFile: nil, documents: [document])
      return definition.metrics.map { ScoredTask(task: loaded, documents: [scored]).figure($0, scored, filter: "none") }
    }
    #expect(hits(["abcd", "ab"], [-3, -2]) == [.hit(false), .hit(true), .hit(true)])
    #expect(hits(["éééé", "abcdef"], [-4, -5]) == [.hit(true), .hit(false), .hit(true)])
    #expect(hits(["ab", "cd"], [-2, -2]) == [.hit(true), .hit(true), .hit(true)])
  }

  @Test(arguments: [
    ("The answer is\n#### 1,234.", "1,234.", "1,234."), ("I think 12 or -7", "[invalid]", "-7"),
    ("$5.00 each", "[invalid]", "$5.00"), ("none", "[invalid]", "[invalid]"),
  ]) func answersOfGSM8K(answer: String, strict: String, flexible: String) throws {
    var catalog = try TaskCatalog()
    let filters = try #require(try catalog.tasks(named: ["gsm8k"]).first).generation.filters
    #expect(filters.map(\.name) == ["strict-match", "flexible-extract"])
    #expect(filters.map { $0(answer) } == [strict, flexible])
  }

  /// The layout of the files, and the table.
  @Test func filesOfTheHarness() throws {
    let evaluation = try HarnessOracle.evaluate(["piqa", "mmlu", "wikitext"], limit: 3, shots: 0, devices: 4)
    let base = try BaseModel()
    let model = HarnessFiles.Model(
      path: "checkpoints/base.h5", model: try base.files.model(), tokenizer: base.tokenizer, endOfText: base.end)
    var result = EvaluationResult(model: "checkpoints/base.h5", routing: nil, program: "test")
    result.communication = evaluation.communication
    let files = HarnessFiles(
      evaluation, model: model, result: result,
      settings: .init(limit: 3, batchTokens: 4096, began: Date(timeIntervalSince1970: 5), seconds: 1.5))
    let folder = NSTemporaryDirectory() + "/occult-harness-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = try files.write(
      to: EvaluationOutput(folder, program: "test", date: Date(timeIntervalSince1970: 1_767_225_600)))
    #expect(path == folder + "/checkpoints__base.h5/results_2026-01-01T00-00-00Z.json")
    var parser = JSONParser(Array(try Data(contentsOf: URL(fileURLWithPath: path))))
    let results = try parser.document()
    guard case .object(let members) = results else {
      Issue.record("no object")
      return
    }
    #expect(
      members.map(\.key) == [
        "results", "groups", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples",
        "config",
        "git_hash", "date", "tokenizer_eos_token", "eot_token_id", "max_length", "task_hashes", "model_source",
        "model_name",
        "model_name_sanitized", "system_instruction", "system_instruction_sha", "fewshot_as_multiturn", "chat_template",
        "chat_template_sha", "total_evaluation_time_seconds", "occult",
      ])
    #expect(results["results"]?["wikitext"]?["bits_per_byte_stderr,none"] == .string("N/A"))
    #expect(results["n-samples"]?["piqa"]?.text() == #"{"original": 50, "effective": 3}"#)
    #expect(results["group_subtasks"]?["mmlu"]?.text() == #"["mmlu_stem", "mmlu_other"]"#)
    #expect(results["occult"]?["communication"]?["devices_per_token"] != nil)
    #expect(results["occult"]?["tasks"]?["piqa"]?["truncated"] == .integer(0))
    // Samples: the keys of the harness in their order; hashes of the prompts are those of its own run.
    let oracle = try HarnessOracle.load()
    let lines = try String(
      contentsOfFile: folder + "/checkpoints__base.h5/samples_piqa_2026-01-01T00-00-00Z.jsonl", encoding: .utf8
    ).split(separator: "\n")
    #expect(lines.count == 3)
    for (line, sample) in zip(lines, try #require(oracle.samples["piqa"])) {
      var parser = JSONParser(Array(line.utf8))
      let value = try parser.document()
      guard case .object(let members) = value else { continue }
      #expect(
        members.map(\.key) == [
          "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
          "prompt_hash",
          "target_hash", "acc", "acc_norm",
        ])
      #expect(
        value["prompt_hash"] == .string(sample.prompt_hash) && value["target_hash"] == .string(sample.target_hash))
      #expect(value["metrics"]?.text() == #"["acc", "acc_norm"]"#)
      #expect(value["acc"] == .number(sample.acc ?? .nan))
    }
    let table = HarnessTable(files).text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(table[0].hasPrefix("|       Tasks        |Version|Filter|n-shot|    Metric     |   |"))
    #expect(table[1].hasPrefix("|--------------------|------:|------|-----:|---------------|---|---"))
    #expect(table[2].hasPrefix("|mmlu                |      2|none  |      |acc            |↑  |"))
    #expect(table[3].hasPrefix("| - other            |      2|none  |      |acc            |↑  |"))
    #expect(table[4].hasPrefix("|  - marketing       |      1|none  |     0|acc            |↑  |"))
    #expect(table[5].hasPrefix("| - stem             |      2|none  |      |acc            |↑  |"))
    #expect(table[6].hasPrefix("|  - abstract_algebra|      1|none  |     0|acc            |↑  |"))
    #expect(table[7].hasPrefix("|piqa                |      1|none  |     0|acc            |↑  |"))
    #expect(table.contains { $0.contains("|bits_per_byte  |↓  |") && $0.hasSuffix("|±  |   N/A|") })
    #expect(table.contains { $0.hasPrefix("| Groups |Version|") })
  }
}
