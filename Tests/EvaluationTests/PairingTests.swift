import Placements
import Foundation
import Testing

@testable import Evaluation

/// What is read from evaluations, which runs may be paired, and what is said of them.
struct PairingTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/harness"
  static let quick = Bootstrap(draws: 300)

  static func compare(
    _ arms: KeyValuePairs<String, [MadeRun]>, reference: String = "a", base: String? = nil, margin: Margin = .standard
  ) throws -> QualityComparison {
    try QualityComparison(
      arms.map { ComparedArm(name: $0.key, runs: try $0.value.map { try $0.run() }) }, reference: reference, base: base,
      margin: margin, bootstrap: quick)
  }

  static func harness() throws -> QualityComparison {
    try QualityComparison(
      ["base", "standard"].map { ComparedArm(name: $0, runs: [try EvaluationRun("\(folder)/\($0)")]) },
      reference: "standard", base: "base", bootstrap: quick)
  }

  /// The figures of the harness's own results, from its samples.
  @Test func figuresAreThoseOfTheHarness() throws {
    let comparison = try Self.harness()
    #expect(comparison.tasks.map(\.task) == ["choice_local", "lambada_local", "pages_local"])
    for arm in ["base", "standard"] {
      let folder = "\(Self.folder)/\(arm)/model"
      let name = try #require(
        FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("results_") })
      let data = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
      let file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let results = try #require(file["results"] as? [String: [String: Any]])
      var found = 0
      for task in comparison.tasks {
        for metric in task.metrics where metric.metric != "gold_logprob" {
          let expected = try #require(results[task.task]?["\(metric.metric),none"] as? Double)
          let value = try #require(metric.value(arm)).value
          #expect(abs(value - expected) <= 1e-9 * abs(expected), "\(arm) \(task.task) \(metric.metric)")
          found += 1
        }
      }
      #expect(found == 6)
    }
  }

  /// Samples without results are of an evaluation that was cut off; an older one that is whole does not stand in for
  /// it.
  @Test func anEvaluationThatWasCutOffIsNamed() throws {
    let made = MadeRun().choices("t", right: [true, false])
    _ = try made.run()
    let later = "2027-01-02T03-04-05.678901"
    made.choices("t", right: [true, true], time: later)
    #expect(
      throws: PairingError.folder(
        path: made.path, expected: "results_\(later).json beside samples_t_\(later).jsonl",
        found: "none: that evaluation did not come to its end",
        hint: "to evaluate again, or to move the samples of that time away")
    ) { try EvaluationRun(made.path) }
    _ = try EvaluationRun(made.path + "/results_\(MadeRun.time).json")
    made.write("results_\(later).json", "{}")
    _ = try EvaluationRun(made.path)
  }

  @Test func evaluationsOfOneSecondHaveNamesOfTheirOwn() throws {
    let folder = NSTemporaryDirectory() + "/occult-output-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let date = Date(timeIntervalSince1970: 1_767_225_600)
    for time in ["2026-01-01T00-00-00Z", "2026-01-01T00-00-01Z"] {
      let result = EvaluationResult(model: "m", routing: nil, program: "test")
      let path = try result.write(to: EvaluationOutput(folder, program: "test", date: date))
      #expect(path == "\(folder)/results_\(time).json")
    }
    #expect(FileManager.default.fileExists(atPath: folder + "/occult.json"))
  }

  /// Right choices and answers of the harness's samples: WinoGrande's, where `target` is a text, and `acc_norm`'s.
  @Test func wordingsAreThoseOfTheHarness() throws {
    let run = try EvaluationRun(Self.folder + "/base")
    let wino = try #require(run.tasks["wino_local"])
    for (id, answer) in wino.answers {
      let gold = try #require(answer.wording.gold, "\(id)")
      #expect(answer.wording.choices.count == 2 && answer.wording.choices[0] != answer.wording.choices[1])
      #expect((answer.wording.taken("acc") == gold) == (answer.values["acc"] == .number(1)))
    }
    let book = try #require(run.tasks["obqa_local"])
    #expect(book.answers.count == 24 && book.metrics == ["acc", "acc_norm"])
    for answer in book.answers.values {
      for metric in book.metrics {
        #expect((answer.wording.taken(metric) == answer.wording.gold) == (answer.values[metric] == .number(1)))
      }
    }
    #expect(book.answers["0"]?.wording.goldText == "quit eating lunch out")
  }

  /// What `occult evaluate --recipe` writes: the perplexity of all tokens together.
  @Test func lossesByDocumentAreRead() throws {
    func run(_ shift: Double) throws -> MadeRun {
      let documents = (0..<9).map {
        DocumentLoss(document: "doc \"\($0)\"", nll: Double($0 + 20) + shift * Double($0 + 5), tokens: $0 + 5)
      }
      return MadeRun().write("samples_target_\(MadeRun.time).jsonl", try HeldSamples.text(documents))
    }
    let comparison = try Self.compare(["a": [try run(0)], "b": [try run(0.25)]])
    let metric = comparison.tasks[0].primary
    #expect(metric.metric == "token_perplexity" && metric.unit == "nats/token")
    #expect(abs((metric.value("a")?.value ?? .nan) - exp(216.0 / 81)) <= 1e-9)
    #expect(abs((metric.difference("b")?.difference.mean ?? .nan) - 0.25) <= 1e-12)
  }

  @Test func resultsOfSeveralTimesCountByTask() throws {
    let run = MadeRun().choices("x", right: [true, true], time: "2026-01-01T00-00-00")
      .choices("x", right: [false, false, false]).choices("y", right: [true, false], time: "2025-01-01T00-00-00")
    let read = try run.run()
    #expect(read.tasks["x"]?.answers.count == 3 && read.tasks["y"]?.answers.count == 2)
  }

  /// 60 questions, 20 lost and 4 won: McNemar's test, the flips and the verdict.
  @Test func aClearLossIsShown() throws {
    let right = (0..<60).map { $0 < 44 }
    let worse = (0..<60).map { $0 < 24 || $0 >= 56 }
    let comparison = try Self.compare([
      "a": [MadeRun().choices("x", right: right)], "b": [MadeRun().choices("x", right: worse).results(bytes: 500)],
    ])
    let metric = comparison.tasks[0].primary
    let difference = try #require(metric.difference("b"))
    #expect(metric.metric == "acc" && metric.chance == 0.25 && !comparison.tasks[0].isAtChance)
    #expect(abs(difference.difference.mean + 16.0 / 60) <= 1e-12)
    #expect(difference.gained == 4 && difference.lost == 20 && difference.test == "mcnemar")
    // scipy.stats.binomtest(4, 24, 0.5).pvalue
    #expect(abs(difference.pValue - 0.001543879508972168) <= 1e-12 && difference.adjusted == difference.pValue)
    #expect(difference.verdict == .worse && difference.difference.high < 0)
    let flips = comparison.flips
    #expect(flips.count { $0.direction == .lost } == 20 && flips.count { $0.direction == .gained } == 4)
    let flip = try #require(flips.first { $0.question == "25" })
    #expect(flip.prompt == "Question 25?" && flip.gold == "choice 1" && flip.answer == "choice 2")
    #expect(flip.referenceAnswer == "choice 1" && flip.choices.count == 4)
    #expect(comparison.headline == "b: worse on 1 of 1 task.")
    #expect(comparison.verdict[0].hasPrefix("Against 'a', 'b' is worse on x (acc −0.267, 95 % interval −0."))
    #expect(comparison.arms[1].communication?.bytes == 500 && comparison.arms[1].deviceLimit == 2)
  }

  /// Answers at the rate of guessing say nothing; the log-likelihood of the right choice still does.
  @Test func chanceIsMarkedAndReplaced() throws {
    let right = (0..<80).map { $0 % 4 == 0 }
    let comparison = try Self.compare([
      "a": [MadeRun().choices("x", right: right) { -3 - 0.01 * Double($0 % 7) }],
      "b": [MadeRun().choices("x", right: right) { -2 - 0.01 * Double($0 % 5) }],
    ])
    let task = comparison.tasks[0]
    #expect(task.isAtChance && task.primary.metric == "gold_logprob")
    #expect(task.metrics.last?.metric == "acc" && task.metrics.last?.isAtChance == true)
    let difference = try #require(task.primary.difference("b"))
    #expect(abs(difference.difference.mean - 1) <= 0.02 && difference.verdict == .better)
    #expect(task.metrics.last?.difference("b")?.verdict == nil && comparison.mean == nil)
    #expect(comparison.verdict.contains { $0.hasPrefix("At chance level, so left out of verdicts on accuracy: x.") })
  }

  /// Twelve questions without a flip do not prove equality: by the rule of three up to a quarter could flip.
  @Test func flipsUnseenStayPossible() throws {
    let right = [Bool](repeating: true, count: 12)
    let comparison = try Self.compare(
      ["a": [MadeRun().choices("x", right: right)], "b": [MadeRun().choices("x", right: right)]],
      margin: .absolute(0.05))
    let difference = try #require(comparison.tasks[0].primary.difference("b"))
    #expect(difference.difference.mean == 0 && difference.pValue == 1)
    #expect((0.18...0.35).contains(difference.difference.high) && (-0.35...(-0.18)).contains(difference.difference.low))
    #expect(difference.nonInferiority?.outcome == .notShown)
  }

  /// Last words that no run finds: their likelihood is compared instead.
  @Test func aScoreOfZeroIsMarked() throws {
    let comparison = try Self.harness()
    let task = try #require(comparison.tasks.first { $0.task == "lambada_local" })
    #expect(task.isAtChance && task.primary.metric == "perplexity" && task.primary.unit == "nats/question")
    #expect(task.metrics.first { $0.metric == "acc" }?.isAtChance == true)
  }

  /// Two tasks above chance and one at chance: the mean has the two.
  @Test func theMeanLeavesChanceOut() throws {
    func run(_ shift: Int) -> MadeRun {
      MadeRun().choices("x", right: (0..<40).map { $0 >= shift })
        .choices("y", right: (0..<40).map { $0 >= 10 }).choices("z", right: (0..<40).map { $0 % 4 == 0 })
    }
    let comparison = try Self.compare(["a": [run(0)], "b": [run(4)]])
    let mean = try #require(comparison.mean)
    #expect(mean.metric == "mean of 2 tasks" && mean.value("a")?.value == 0.875)
    #expect(abs((mean.difference("b")?.difference.mean ?? .nan) + 0.05) <= 1e-12)
    #expect(comparison.tasks.map(\.isAtChance) == [false, false, true])
  }

  /// p-values are corrected for all tasks and arms together, the base apart.
  @Test func verdictsAreCorrected() throws {
    let right = [Bool](repeating: true, count: 40)
    func run(_ lost: Int) -> MadeRun {
      MadeRun().choices("x", right: right.indices.map { $0 >= lost }).choices("y", right: right)
    }
    let comparison = try Self.compare(["base": [run(6)], "a": [run(0)], "b": [run(6)], "c": [run(0)]], base: "base")
    let differences = comparison.tasks[0].primary
    // 2 · ½⁶ = 0.03125, times two tasks and two arms, or two tasks and the base.
    let (own, base) = (try #require(differences.difference("b")), try #require(differences.difference("base")))
    #expect(abs(own.pValue - 0.03125) <= 1e-12 && abs((own.adjusted ?? .nan) - 0.125) <= 1e-12)
    #expect(abs((base.adjusted ?? .nan) - 0.0625) <= 1e-12 && own.verdict == .noneShown)
    #expect(
      comparison.verdict.last == "These are single runs: another training seed may differ. Verdicts are corrected "
        + "for 4 comparisons (Holm).")
  }

  @Test func perplexitiesAreComparedAsLogarithms() throws {
    let pages = (0..<30).map { -50 - Double($0 % 7) }
    let comparison = try Self.compare([
      "a": [MadeRun().pages("p", pages)], "b": [MadeRun().pages("p", pages.map { $0 - 1 })],
    ])
    let metric = comparison.tasks[0].primary
    let likelihood = pages.reduce(0, +)
    #expect(metric.metric == "word_perplexity" && metric.unit == "nats/word" && !metric.higherIsBetter)
    #expect(abs((metric.value("a")?.value ?? 0) - exp(-likelihood / 300)) <= 1e-9)
    let difference = try #require(metric.difference("b"))
    #expect(
      abs(difference.difference.mean - 0.1) <= 1e-12 && difference.verdict == .worse && difference.test == "bootstrap")
  }

  /// Seeds: the mean over runs, paired by place, a share of runs in the flips, no McNemar.
  @Test func seedsArePaired() throws {
    func run(_ lost: Range<Int>) -> MadeRun { MadeRun().choices("x", right: (0..<40).map { !lost.contains($0) }) }
    let comparison = try Self.compare([
      "a": [run(0..<4), run(0..<6)], "b": [run(0..<8), run(2..<12)], "c": [run(0..<5)],
    ])
    let metric = comparison.tasks[0].primary
    #expect(abs((metric.value("a")?.value ?? 0) - 0.875) <= 1e-12)
    let difference = try #require(metric.difference("b"))
    #expect(abs(difference.difference.mean + 0.1) <= 1e-12 && difference.test == "bootstrap")
    let flip = try #require(comparison.flips.first { $0.arm == "b" && $0.question == "9" })
    #expect(flip.share == 0.5 && flip.referenceShare == 1)
    #expect(comparison.seedCount == 2 && comparison.verdict.last?.hasPrefix("Intervals cover 2 seeds") == true)
  }

  /// Subjects of a group are pooled, each question once.
  @Test func groupsArePooled() throws {
    func run(_ lost: Int) -> MadeRun {
      MadeRun().choices("s1", right: (0..<10).map { $0 >= lost }).choices("s2", right: [true, true, true, false])
        .results(group: ["s1", "s2"])
    }
    let comparison = try Self.compare(["a": [run(0)], "b": [run(2)]])
    #expect(comparison.tasks.map(\.task) == ["all"] && comparison.tasks[0].questions == 14)
    #expect(abs((comparison.tasks[0].metrics.last?.difference("b")?.difference.mean ?? 0) + 2.0 / 14) <= 1e-12)
    #expect(comparison.flips.map(\.question).sorted() == ["s1/0", "s1/1"])
  }

  @Test func whatOnlySomeRunsHaveIsCounted() throws {
    let all = [Bool](repeating: true, count: 20)
    let comparison = try Self.compare([
      "a": [MadeRun().choices("x", right: all).choices("y", right: all)],
      "b": [MadeRun().choices("x", right: all, first: 5)],
    ])
    #expect(comparison.tasks[0].questions == 15 && comparison.tasks[0].leftOut == 10 && comparison.loneTasks == ["y"])
    #expect(
      comparison.verdict.contains(
        "Questions that only some runs answered are left out: x (10). Tasks that only some runs have are left out: y."))
  }

  /// Keeping nearly all of the gain is non-inferior, half of it is inferior, and no gain says nothing.
  @Test func marginsFollowTheGain() throws {
    func run(_ nats: Double) -> MadeRun { MadeRun().pages("p", (0..<40).map { -20 - Double($0 % 5) - nats * 10 }) }
    let comparison = try Self.compare(
      ["base": [run(1)], "a": [run(0)], "near": [run(0.03)], "half": [run(0.5)]], base: "base")
    let metric = comparison.tasks[0].primary
    #expect(metric.difference("near")?.nonInferiority?.outcome == .nonInferior)
    #expect(abs((metric.difference("near")?.nonInferiority?.kept ?? 0) - 0.97) <= 1e-9)
    #expect(metric.difference("half")?.nonInferiority?.outcome == .inferior)
    #expect(metric.difference("base")?.nonInferiority == nil)
    let useless = try Self.compare(["base": [run(0)], "a": [run(0)], "b": [run(0)]], base: "base")
    #expect(useless.tasks[0].primary.difference("b")?.nonInferiority?.outcome == .uninformative)
    #expect(useless.verdict[0].contains("cannot be said (uninformative)"))
    let fixed = try Self.compare(["a": [run(0)], "b": [run(0.03)]], margin: .absolute(0.05))
    #expect(fixed.tasks[0].primary.difference("b")?.nonInferiority?.outcome == .nonInferior)
  }

  @Test func runsThatCannotBePairedAreNamed() throws {
    let right = [true, false, true]
    let x = MadeRun().choices("x", right: right)
    func message(_ arms: KeyValuePairs<String, [MadeRun]>, _ reference: String = "a", base: String? = nil) -> String {
      do {
        _ = try Self.compare(arms, reference: reference, base: base)
        return "was compared"
      } catch { return "\(error)" }
    }
    let y = MadeRun().choices("y", right: right)
    let later = MadeRun().choices("x", right: right, first: 10)
    let other = MadeRun().choices("x", right: right, hash: "other")
    let few = MadeRun().choices("x", right: right, first: 2)
    let pages = MadeRun().pages("x", [-1, -2, -3])
    #expect(
      message(["a": [x], "b": [y]])
        == "\(x.path): expected a task that \(y.path) has too, found x against y; try to evaluate both on the same tasks"
    )
    #expect(
      message(["a": [x], "b": [later]])
        == "x: expected questions that all runs answered, found none common to \(x.path) and \(later.path); "
        + "try the same data and the same --limit for both")
    #expect(
      message(["a": [x], "b": [other]])
        == "x: expected the same data in every run, found another doc_hash for question 0 in \(other.path) than in "
        + "\(x.path); try to evaluate both on the same file")
    #expect(
      message(["a": [x], "b": [few]])
        == "x: expected at least 2 questions that all runs answered, found 1; try a larger --limit")
    #expect(
      message(["a": [x], "b": [pages]])
        == "x: expected a metric that all runs have, found none common to \(x.path) and \(pages.path); "
        + "try the same version of the task for both")
    #expect(
      message(["a": [x, x, x], "b": [x, x]])
        == "b: expected 1 or 3 runs as of the other arms, found 2; try as many runs for each arm, in the same order of seeds"
    )
    #expect(
      message(["a": [x], "b": [x]], "c")
        == "--standard: expected one of the arms, found 'c'; try one of a, b")
    #expect(
      message(["a": [x], "a": [x]])
        == "a: expected every arm once, found the name twice; try NAME=FOLDER,FOLDER for the runs of an arm")
    #expect(
      message(["a": [x], "b": [x]], base: "a")
        == "--base: expected another arm than --standard, found 'a'; try the arm without fine-tuning")
  }

  static let good = """
    {"doc_id": 0, "target": "", "filtered_resps": ["x"], "filter": "none", "metrics": ["acc"], "acc": 1.0}
    """

  @Test(arguments: [
    ("", ":1: expected one object a question, found an empty file"),
    (good + "\n{\"doc_id\": 1, \"tar", ":2: expected JSON, found the end of the text inside a string"),
    (good + "\n[1]", ":2: expected an object, found a list of 1"),
    (good + "\n" + good, ":2: expected every doc_id once, found 0 twice"),
    (good.replacing("1.0}", with: "NaN}"), ":1: expected a finite acc, found NaN"),
    (good.replacing("1.0}", with: "\"nan\"}"), ":1: expected a finite acc, found nan"),
    (good.replacing("1.0}", with: "[-3.5, Infinity]}"), ":1: expected a finite acc, found Infinity"),
    (good.replacing("1.0}", with: "[-3.5, 0]}"), ":1: expected a positive count in acc, found 0.0"),
    (good.replacing("\"acc\": 1.0", with: "\"x\": 1"), ":1: expected a value of acc, found no such key"),
    (good.replacing("\"doc_id\": 0, ", with: ""), ":1: expected a doc_id, found no such key"),
    (good.replacing("[\"acc\"]", with: "3"), ":1: expected a list of metrics, found 3"),
    (good.replacing("[\"x\"]", with: "[]"), ":1: expected filtered_resps, found a list of 0"),
  ])
  func damagedSamplesNameTheirLine(text: String, expected: String) {
    let run = MadeRun().write("samples_x_\(MadeRun.time).jsonl", text)
    let file = "\(run.path)/samples_x_\(MadeRun.time).jsonl"
    do {
      _ = try run.run()
      Issue.record("was read")
    } catch { #expect("\(error)".hasPrefix(file + expected + "; try "), "\(error)") }
  }

  @Test func foldersWithoutAnEvaluationAreNamed() throws {
    func message(_ path: String) -> String {
      do {
        _ = try EvaluationRun(path)
        return "was read"
      } catch { return "\(error)" }
    }
    let layout = "expected results_<time>.json and samples_<task>_<time>.jsonl of an evaluation, found"
    #expect(message("/nowhere") == "/nowhere: \(layout) no such folder; try the --output of `occult evaluate`")
    let empty = MadeRun()
    #expect(message(empty.path) == "\(empty.path): \(layout) none; try the --output of `occult evaluate`")
    let bare = MadeRun().results()
    #expect(
      message(bare.path)
        == "\(bare.path): expected samples_<task>_<time>.jsonl beside the results, found none; try to evaluate again "
        + "(`lm_eval` needs --log_samples)")
    let inner = MadeRun()
    for name in ["m1", "m2"] {
      try FileManager.default.createDirectory(atPath: inner.path + "/" + name, withIntermediateDirectories: true)
      inner.write("\(name)/results_\(MadeRun.time).json", "{}")
    }
    #expect(
      message(inner.path)
        == "\(inner.path): expected one evaluation, found several: m1, m2; try one of these folders")
    let damaged = MadeRun().choices("x", right: [true, false]).write("results_\(MadeRun.time).json", "{\"a\": 1")
    #expect(
      message(damaged.path).hasPrefix("\(damaged.path)/results_\(MadeRun.time).json:1: expected JSON, found the end"))
  }
}
