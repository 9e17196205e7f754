import Files
import Checkpoint
import Foundation
import Models
import Testing
import Training

@testable import Evaluation

/// A whole study of a tiny random model: what it writes, what it keeps, what it refuses.
@Suite(.serialized) struct StudyRunnerTests {
  let folder: String
  let said = Said()

  /// Lines that a study said.
  final class Said {
    var lines: [String] = []
    var stops = false
  }

  init() throws {
    folder = NSTemporaryDirectory() + "occult-study-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let base = try ModelFiles(opening: root + "/checkpoints/base.h5")
    var configuration = try OLMoE.configuration(
      layers: 2, hidden: 32, heads: 2, experts: 8, intermediate: 16, topK: 2,
      vocabulary: base.configuration.vocabulary, context: 128)
    configuration.endTokens = [0]
    configuration.json = configuration.json.replacing("\"eos_token_id\": null", with: "\"eos_token_id\": 0")
    var extras = CheckpointExtras(configuration: configuration)
    extras.tokenizerJSON = base.tokenizerJSON
    try CheckpointWriter.write(
      folder + "/model.h5", weights: ModelBytes(ModelFamily.random(configuration, seed: 3)), extras: extras,
      program: "test")
    func samples(_ range: Range<Int>) -> String {
      range.map { "{\"prompt\": \"What is \($0) plus one?\", \"completion\": \"It is \($0 + 1), of course.\"}" }
        .joined(separator: "\n")
    }
    try samples(0..<40).write(toFile: folder + "/train.jsonl", atomically: true, encoding: .utf8)
    try samples(100..<112).write(toFile: folder + "/test.jsonl", atomically: true, encoding: .utf8)
    let text = (0..<12).map { "The river number \($0) was wide and slow, and nobody knew its name." }
      .joined(separator: "\n\n")
    try text.write(toFile: folder + "/text.txt", atomically: true, encoding: .utf8)
    try recipe.write(toFile: folder + "/recipe.yaml", atomically: true, encoding: .utf8)
  }

  var recipe: String {
    """
    version: 1
    model: \(folder)/model.h5
    data:
      train: {path: train.jsonl, format: prompt_completion}
      validation: 0.1
      test: {path: test.jsonl, format: prompt_completion}
      retention: {path: text.txt, format: text}
      template: plain
      loss_on: response
      max_tokens: 64
    routing: {devices: 4, placement: occult, policy: router}
    optimizer: {learning_rate: 1.0e-2}
    schedule: {name: constant, warmup_steps: 0, epochs: 1, max_steps: 3, batch_tokens: 256}
    run: {seed: 1, evaluate_every: 2}
    save: {every: none}
    study: {arms: {standard: {routing.device_limit: none}, L1: {routing.device_limit: 1}}}
    output: \(folder)/out
    """
  }

  func runner(_ overrides: [String] = []) throws -> StudyRunner {
    said.lines = []
    return try StudyRunner(
      try Recipe.load(folder + "/recipe.yaml", overrides: overrides, purpose: .study), program: "test",
      console: .init(
        say: { [said] in said.lines.append($0) },
        progress: { ProgressLine(label: $0, total: $1, unit: $2, output: .init(isTerminal: false) { _ in }) },
        isStopRequested: { [said] in said.stops }))
  }

  func compare(_ overrides: [String] = []) throws -> Comparison {
    try #require(try runner(overrides).run()).comparison
  }

  @Test func writesEverythingAndKeepsWhatDidNotChange() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let comparison = try compare()
    // base, standard and L1, each without a limit and at 1.
    #expect(comparison.results.count == 6)
    #expect(said.lines.contains { $0.hasPrefix("moving the experts to their devices changes logits by at most 0.0") })
    for file in ["profile.h5", "placement.json", "recipe.yaml", "comparison.json", "comparison.md", "report.html"] {
      #expect(FileManager.default.fileExists(atPath: folder + "/out/" + file), "\(file)")
    }
    let limited = try #require(try ModelFiles(opening: folder + "/out/arms/L1/final.h5").routing)
    #expect(limited.deviceLimit == 1 && limited.policy == .router && limited.placement.devices == 4)
    #expect(try ModelFiles(opening: folder + "/out/arms/standard/final.h5").routing?.deviceLimit == nil)
    let order = try Set(
      ["standard", "L1"].map { try RunSummary(path: RunFolder(folder + "/out/arms/" + $0).summary).batchOrder })
    #expect(order.count == 1)

    // Again: both arms are kept and the numbers are the same.
    let report = try String(contentsOfFile: folder + "/out/comparison.md", encoding: .utf8)
    _ = try runner().run()
    #expect(
      said.lines.filter { $0.hasSuffix("kept from an earlier run") } == [
        "standard: kept from an earlier run", "L1: kept from an earlier run",
      ])
    #expect(try String(contentsOfFile: folder + "/out/comparison.md", encoding: .utf8) == report)

    // One arm changed: the other is kept.
    _ = try runner([
      "study.arms={standard: {routing.device_limit: none}, L1: {routing.device_limit: 1, optimizer.clip: 0.5}}"
    ])
    .run()
    #expect(said.lines.contains("standard: kept from an earlier run"))
    #expect(!said.lines.contains("L1: kept from an earlier run"))
  }

  /// Arms are asked once, paired with the standard arm, and told in the report; other questions are asked anew.
  @Test func armsAreScoredOnTasks() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try """
    task: plus
    output_type: multiple_choice
    data: {split: test, files: [plus.jsonl]}
    doc_to_text: "What is {{q}} plus one?"
    doc_to_choice: "{{choices}}"
    doc_to_target: "{{gold}}"
    metric_list: [acc]
    """.write(toFile: folder + "/plus.yaml", atomically: true, encoding: .utf8)
    let rows = (0..<20).map { "{\"q\": \($0), \"choices\": [\"\($0 + 1)\", \"\($0 * 7)\"], \"gold\": 0}" }
    try rows.joined(separator: "\n").write(toFile: folder + "/plus.jsonl", atomically: true, encoding: .utf8)
    let overrides = ["study.seeds=[1, 2]", "tasks={names: [\(folder)/plus.yaml], data: \(folder), limit: 16}"]
    let (comparison, found) = try #require(try runner(overrides).run())
    let answers = try #require(found)
    #expect(answers.reference == "standard" && answers.base == "base" && answers.seedCount == 2)
    #expect(answers.arms.map(\.name) == ["base", "standard", "L1"] && answers.tasks.map(\.questions) == [16])
    #expect(answers.arms[2].deviceLimit == 1 && answers.arms[2].communication?.devicesPerToken == 1)
    #expect(comparison.results.count == 6)
    let report = try String(contentsOfFile: folder + "/out/report.html", encoding: .utf8)
    #expect(report.contains("id=\"answers\"") && report.contains("id=\"verdicts\""))
    for file in ["comparison.json", "comparison.md", "comparison.csv"] {
      #expect(FileManager.default.fileExists(atPath: folder + "/out/tasks/" + file), "\(file)")
    }

    func times() throws -> [Date] {
      try ["base/arm.json", "L1/seed-2/arm.json"].map { file in
        let facts = try FileManager.default.attributesOfItem(atPath: folder + "/out/tasks/" + file)
        return try #require(facts[.modificationDate] as? Date)
      }
    }
    let first = try times()
    #expect(try runner(overrides).run()?.tasks == answers)
    #expect(try times() == first)
    let fewer = try #require(
      try runner(overrides.dropLast() + [overrides[1].replacing("limit: 16", with: "limit: 9")]).run()?.tasks)
    #expect(fewer.tasks.map(\.questions) == [9])
    #expect(try zip(times(), first).allSatisfy { $0 > $1 })
  }

  @Test func aStopNamesTheArmAndTheSameCommandGoesOn() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    said.stops = true
    #expect(throws: StudyError.stopped(after: "step 1 of arm 'standard'")) { try runner().run() }
    said.stops = false
    let resumed = try compare()
    let unbroken = try compare(["output=\(folder)/other"])
    #expect(resumed.results.map(\.loss) == unbroken.results.map(\.loss))
  }

  /// Whatever a kill leaves of a study and of its arms, the same command comes to the same numbers.
  @Test func goesOnFromWhateverAKillLeaves() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let manager = FileManager.default
    let whole = try compare().results.map(\.loss)
    let out = folder + "/out"
    func leaving(_ kept: Set<String>, in path: String) throws {
      for name in try manager.contentsOfDirectory(atPath: path) where !kept.contains(name) {
        try manager.removeItem(atPath: path + "/" + name)
      }
    }
    let cells = { try manager.contentsOfDirectory(atPath: out + "/cells").filter { $0.contains("L1") } }
    let files = ["occult.json", "arm.json", "recipe.yaml", "metrics.jsonl", "checkpoints", "final.h5"]
    for count in [0, 2, 5] {
      try leaving(Set(files.prefix(count)), in: out + "/arms/L1")
      try manager.createDirectory(atPath: out + "/arms/L1/checkpoints", withIntermediateDirectories: true)
      try Data("torn".utf8).write(to: URL(fileURLWithPath: out + "/arms/L1/checkpoints/step-2.h5.tmp"))
      for cell in try cells() { try manager.removeItem(atPath: out + "/cells/" + cell) }
      #expect(try compare().results.map(\.loss) == whole, "\(files.prefix(count))")
    }
    // Killed while an old study is removed, or before the first file but the marker.
    for kept in [["occult.json", "arms", "cells"], [".occult.lock"]] as [Set<String>] {
      try leaving(kept, in: out)
      #expect(try compare().results.map(\.loss) == whole, "\(kept)")
    }
    #expect(try #require(try runner().run(overwrite: true)).comparison.results.map(\.loss) == whole)
  }

  @Test func refusesAFolderThatIsNoStudyAndAnArmPlacedElsewhere() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let found = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    for overwrite in [false, true] {
      #expect(throws: FolderError.unmarked(path: folder, found: found)) {
        try runner(["output=\(folder)"]).run(overwrite: overwrite)
      }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == found)
    #expect(throws: StudyError.placement(arm: "L1")) {
      try runner(["study.arms.L1={routing.device_limit: 1, routing.placement: random}"])
    }
  }

  /// Two seeds, two rates, a rule that nothing is trained under, limited arms under their own rule only, no weights
  /// kept.
  @Test func seedsRatesAndRulesWithoutKeepingWeights() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let overrides = [
      "study.seeds=[1, 2]", "study.learning_rates=[1.0e-3, 1.0e-2]", "study.matrix=own", "study.keep_checkpoints=false",
      "study.rules={mass1: {routing.policy: mass, routing.device_limit: 1}}", "schedule.max_steps=2",
    ]
    let comparison = try compare(overrides)
    // base and standard: no limit, L1, mass1; L1: no limit and its own.
    #expect(
      comparison.results.map { "\($0.arm) \($0.evaluatedRule ?? "-")" } == [
        "base -", "base L1", "base mass1", "standard -", "standard L1", "standard mass1", "L1 -", "L1 L1",
      ])
    #expect(comparison.results.map(\.seedLosses.count) == [1, 1, 1, 2, 2, 2, 2, 2])
    #expect(comparison.results[3].seedLosses[0] != comparison.results[3].seedLosses[1])
    #expect(comparison.run.seeds == [1, 2] && Set(comparison.run.batchOrders).count == 2)
    #expect(Set(comparison.run.learningRates.keys) == ["standard", "L1"])
    #expect(said.lines.contains { $0.hasPrefix("study.learning_rates: ") && $0.contains(" of 2 arms took the ") })
    // Both rates on the first seed, the better one alone on the second, and no weights at the end.
    let arms = folder + "/out/arms/L1/"
    #expect(try FileManager.default.contentsOfDirectory(atPath: arms + "seed-1").count == 2)
    #expect(try FileManager.default.contentsOfDirectory(atPath: arms + "seed-2").count == 1)
    let files = try #require(FileManager.default.enumerator(atPath: arms)).compactMap { $0 as? String }
    #expect(files.contains { $0.hasSuffix("metrics.jsonl") } && !files.contains { $0.hasSuffix("final.h5") })

    // Again: nothing is trained and the numbers are the same, although the weights are gone.
    #expect(try compare(overrides).results == comparison.results)
    #expect(said.lines.count { $0.hasSuffix("kept from an earlier run") } == 6)
    // One more rule: the arms that meet it are trained again, to the same weights.
    let more = overrides.map {
      $0.replacing("{mass1:", with: "{drop1: {routing.policy: drop, routing.device_limit: 1}, mass1:")
    }
    let again = try compare(more)
    #expect(again.results.filter { $0.evaluatedRule != "drop1" } == comparison.results)
  }

  @Test func theProofSeesAChangedFunction() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var model = try ModelFiles(opening: folder + "/model.h5").model()
    let placement = try RoutingPlan.placement(
      try Recipe.load(folder + "/recipe.yaml", purpose: .study), model
    ) { try ModelProfiler(model).profile([(0, [5, 6, 7, 8, 9])], data: "test") }
    let documents: [[Int32]] = [[5, 6, 7, 8, 9, 10, 11]]
    #expect(try PlacementProof.largestDifference(model, placement, documents: documents) == 0)
    // A router row that stays behind while its expert moves is what a wrong permutation looks like.
    let moved = try {
      var copy = model; try copy.arrange(placement); return copy
    }()
    model.layers[0].moe?.gate.weight = try #require(moved.layers[0].moe).gate.weight
    let batch = TokenBatch(sequences: documents)
    #expect(model.logits(model(batch).hidden).elements != moved.logits(moved(batch).hidden).elements)
  }
}
