import Foundation
import Testing

@testable import Evaluation

/// What the harness writes beside plain numbers, and keys that are not known.
struct HarnessFilesTests {
  private func line(
    _ id: Int, _ values: String, metrics: [String] = ["acc"], filter: String = "none",
    responses: [String] = ["-1.5", "-2.5"], extra: String = "", prompt: String = "p"
  ) -> String {
    let pairs = responses.map { "[\($0), false]" }.joined(separator: ", ")
    let names = metrics.map { "\"\($0)\"" }.joined(separator: ", ")
    return """
      {"doc_id": \(id), "doc": {"x": [NaN, {"y": -Infinity}]}, "target": "0", "arguments": {"gen_args_0": {"arg_0": "Q\(id)", \
      "arg_1": " a"}, "gen_args_1": {"arg_0": "Q\(id)", "arg_1": " b"}}, "resps": [[\(pairs)]], \
      "filtered_resps": [\(pairs)], "filter": "\(filter)", "metrics": [\(names)], "doc_hash": "d\(id)", \
      "prompt_hash": "\(prompt)\(id)", "target_hash": "t", \(values)\(extra)}
      """
  }

  private func made(_ task: String, _ lines: [String]) -> MadeRun {
    MadeRun().write("samples_\(task)_\(MadeRun.time).jsonl", lines.joined(separator: "\n"))
  }

  private func compare(_ a: MadeRun, _ b: MadeRun) throws -> QualityComparison {
    try QualityComparison(
      [ComparedArm(name: "a", runs: [try a.run()]), ComparedArm(name: "b", runs: [try b.run()])], reference: "a",
      bootstrap: PairingTests.quick)
  }

  private func words(_ note: String, _ run: MadeRun) -> String { note.replacingOccurrences(of: run.path, with: "DIR") }

  /// A choice of probability 0 is a choice like any other; the file is told of once.
  @Test func infiniteLogLikelihoodsAreCarriedThrough() throws {
    let lines = (0..<6).map {
      line($0, "\"acc\": \($0 % 2)", responses: $0 % 3 == 0 ? ["-Infinity", "-2.5"] : ["-1.5", "-2.5"])
    }
    let (a, b) = (made("x", lines), made("x", lines))
    let comparison = try compare(a, b)
    #expect(comparison.tasks[0].questions == 6)
    // At chance level, and the right choice of two questions has no finite likelihood: accuracy stays.
    #expect(comparison.tasks[0].isAtChance && comparison.tasks[0].primary.metric == "acc")
    #expect(
      comparison.notes.map { words($0, a) }.first
        == "DIR/samples_x_\(MadeRun.time).jsonl:1: a log-likelihood of a choice is -Infinity, and so in 1 more line; where "
        + "the right choice has it, gold_logprob is not compared")
    let run = try a.run()
    #expect(run.tasks["x"]?.answers["0"]?.wording.taken("acc") == 1)
    let nan = made("x", lines.map { $0.replacingOccurrences(of: "[[-1.5", with: "[[NaN") })
    #expect(try nan.run().tasks["x"]?.answers["1"]?.wording.taken("acc") == nil)
    _ = try compare(a, nan)
  }

  /// A metric with a value that is no number is left out and named; the others are compared.
  @Test(arguments: ["NaN", "Infinity", "[-Infinity, 3]", "\"nan\""])
  func aMetricThatIsNoNumberStopsNoOther(value: String) throws {
    let metrics = ["acc", "perplexity"]
    func lines(_ value: String) -> [String] {
      (0..<6).map { line($0, "\"acc\": \($0 % 2), \"perplexity\": \($0 == 4 ? value : "-1.0")", metrics: metrics) }
    }
    let (good, bad) = (made("x", lines("-1.0")), made("x", lines(value)))
    let comparison = try compare(good, bad)
    #expect(comparison.tasks[0].metrics.contains { $0.metric == "acc" })
    #expect(!comparison.tasks[0].metrics.contains { $0.metric == "perplexity" })
    let note = try #require(comparison.notes.first)
    #expect(
      words(note, bad).hasPrefix(
        "x: perplexity is left out: DIR/samples_x_\(MadeRun.time).jsonl:5: expected a finite perplexity, found "))
    #expect(try compare(good, good).tasks[0].metrics.contains { $0.metric == "perplexity" })
  }

  /// A task that is scored as a whole alone (f1) does not keep the others from being compared.
  @Test func aTaskWithoutAMetricOfQuestionsIsLeftOut() throws {
    func run() -> MadeRun {
      made("f", (0..<6).map { line($0, "\"f1\": [[0, 1], [1, 0]]", metrics: ["f1"]) })
        .choices("x", right: [true, false, true])
    }
    let comparison = try compare(run(), run())
    #expect(comparison.tasks.map(\.task) == ["x"] && comparison.notes.contains { $0.hasPrefix("f is left out: f: ") })
    let only = made("f", (0..<6).map { line($0, "\"f1\": [[0, 1], [1, 0]]", metrics: ["f1"]) })
    #expect(throws: PairingError.self) { try compare(only, only) }
  }

  /// Two filters of one answer are shown both and counted once.
  @Test func severalFiltersCountOnce() throws {
    func run(_ lost: Int) -> MadeRun {
      let lines = ["strict", "loose"].flatMap { filter in
        (0..<40).map {
          line(
            $0, "\"exact_match\": \($0 < lost ? 0 : 1)", metrics: ["exact_match"], filter: filter,
            responses: ["-1.0"])
        }
      }
      return made("g", lines).choices("x", right: (0..<40).map { $0 >= 2 })
    }
    let comparison = try compare(run(0), run(6))
    #expect(comparison.tasks.map(\.task) == ["g, loose", "g, strict", "x"])
    #expect(comparison.tasks.map(\.isFurtherFilter) == [true, false, false])
    #expect(comparison.mean?.metric == "mean of 2 tasks")
    #expect(comparison.tasks[0].primary.difference("b")?.verdict == nil)
    // 2 · ½⁶, times the two tasks that count.
    #expect(abs((comparison.tasks[1].primary.difference("b")?.adjusted ?? 0) - 0.0625) <= 1e-12)
    #expect(comparison.headline.hasSuffix("on 2 tasks."))
    #expect(
      comparison.verdict.contains {
        $0.contains("Further filters of the same answers are shown and not counted: g, loose.")
      })
    #expect(String(decoding: try comparison.json(), as: UTF8.self).contains("\"further_filter\" : true"))
  }

  /// The direction and the group of a task hold for each of its filters.
  @Test func filtersKeepGroupAndDirection() throws {
    func run(_ value: Int) -> MadeRun {
      let lines = ["strict", "loose"].flatMap { filter in
        (0..<20).map { line($0, "\"ter\": \(value + $0 % 3)", metrics: ["ter"], filter: filter, responses: ["-1.0"]) }
      }
      return made("s1", lines).write(
        "results_\(MadeRun.time).json",
        """
        {"results": {"s1": {"ter,strict": NaN}}, "groups": {"all": {}}, "group_subtasks": {"all": ["s1"]},
         "higher_is_better": {"s1": {"ter": false}}}
        """)
    }
    let comparison = try compare(run(3), run(2))
    #expect(comparison.tasks.map(\.task) == ["all, loose", "all, strict"])
    #expect(comparison.tasks.allSatisfy { !$0.primary.higherIsBetter && $0.primary.difference("b")?.gained == nil })
    #expect(comparison.tasks[1].primary.difference("b")?.verdict == .better)
  }

  /// NaN elsewhere in the results does not take the communication away.
  @Test func resultsMayHoldNaN() throws {
    let run = MadeRun().choices("x", right: [true, false, true]).results(bytes: 500)
    let path = run.path + "/results_\(MadeRun.time).json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    run.write(
      "results_\(MadeRun.time).json",
      text.replacingOccurrences(of: "\"results\": {}", with: "\"results\": {\"x\": {\"acc\": NaN}}"))
    #expect(try run.run().communication?.bytes == 500)
    run.write("results_\(MadeRun.time).json", text.replacingOccurrences(of: "500.0", with: "NaN"))
    let read = try run.run()
    #expect(read.communication == nil && read.notes.count == 1)
    #expect(words(read.notes[0], run).contains("communication is left out: expected figures, found other values"))
  }

  @Test func otherPromptsAreNamed() throws {
    func run(_ prompt: String) -> MadeRun { made("x", (0..<5).map { line($0, "\"acc\": \($0 % 2)", prompt: prompt) }) }
    let (a, b) = (run("p"), run("q"))
    #expect(
      try compare(a, b).notes == [
        "x: \(b.path) was asked 5 of 5 questions in other words than \(a.path) (prompt_hash): other examples, another "
          + "description or another template"
      ])
    #expect(try compare(a, run("p")).notes.isEmpty)
  }

  // MARK: Keys

  /// Files of an evaluation, a key that goes into them, and whether it is named: for the test of every foreign file.
  static let keys: [(file: String, key: String, isNamed: Bool)] = [
    ("samples", "colour", true), ("samples", "doc_hash_v2", true), ("samples", "resps", false),
    ("results", "colour", true), ("results", "group_sub_tasks", true), ("results", "git_hash", false),
    ("results", "fewshot_as_multiturn", false),
  ]

  @Test(arguments: keys.indices)
  func keysThatNothingKnowsAreNamed(index: Int) throws {
    let (file, key, isNamed) = Self.keys[index]
    let run = made(
      "x", (0..<3).map { line($0, "\"acc\": 1", extra: file == "samples" && isNamed ? ", \"\(key)\": 3" : "") })
    run.write("results_\(MadeRun.time).json", file == "results" ? "{\"results\": {}, \"\(key)\": 3}" : "{}")
    let notes = try run.run().notes
    let name = file == "samples" ? "samples_x_\(MadeRun.time).jsonl" : "results_\(MadeRun.time).json"
    #expect(notes == (isNamed ? ["\(run.path)/\(name): nothing here knows the keys '\(key)'"] : []))
  }

  /// The harness's own files have no key that is not known.
  @Test func theHarnessKeysAreKnown() throws {
    for arm in ["base", "standard"] {
      #expect(try EvaluationRun("\(PairingTests.folder)/\(arm)").notes.isEmpty, "\(arm)")
    }
  }
}
