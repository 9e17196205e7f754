import Foundation
import Testing

/// The form of what commands print: names of keys, counts, units, progress.
@Suite struct OutputFormTests {
  /// Keys of objects at any depth; keys of maps whose keys are names of files, tensors or tasks are none of ours.
  private static func keys(_ value: Any) -> Set<String> {
    switch value {
    case let object as [String: Any]:
      object.reduce(into: Set(object.keys)) { $0.formUnion(keys($1.value)) }
    case let list as [Any]: list.reduce(into: []) { $0.formUnion(keys($1)) }
    default: []
    }
  }

  private static func check(_ arguments: [String]) throws {
    let result = try CommandLineTests.run(arguments + ["--json"])
    let words = arguments.prefix(2).joined(separator: " ")
    #expect(result.status == 0, "\(words): \(result.error)")
    let found = keys(try JSONSerialization.jsonObject(with: Data(result.out.utf8)))
    let camels = found.filter { $0.contains(/[a-z][A-Z]/) }.sorted()
    #expect(camels.isEmpty && !found.isEmpty, "\(words): \(camels)")
  }

  /// Every command that has `--json`, found by asking the program.
  @Test func keysAreSnakeCase() throws {
    let place = try Workplace()
    let arguments = try OptionTests.arguments(place)
    var count = 0
    // Those of a study, of a comparison and of ranks have inputs of their own, see below.
    for command in try OptionTests.commands() where command.names.contains("--json") {
      if [["study"], ["compare"], ["bench", "communication"]].contains(command.words) { continue }
      count += 1
      try Self.check(command.words + (arguments[command.words] ?? []))
    }
    #expect(count > 12)
    try Self.check(["finetune", place.recipe, "schedule.max_steps=2", "output=\(place.run("json"))"])
    let profile = place.path + "/profile.h5"
    let effort = ["--proposals", "10"]
    try Self.check(["analyze", profile, "--devices", "2", "--against", profile] + effort)
    let placement = place.path + "/p.json"
    try Self.check(
      ["place", profile, "--devices", "4", "--nodes", "2", "--replicas", "1", "--output", placement] + effort)
    try Self.check(["place", profile, "--devices", "2", "--pareto", "--output", placement] + effort)
    try Self.check(["analyze", profile, "--against", profile, "--placement", placement])
    try Self.check([
      "plan", profile, "--fit", CommandLineTests.root + "/recipes/topologies/occult-paper-points.yaml",
    ])
    let harness = CommandLineTests.root + "/Tests/EvaluationTests/Fixtures/harness/"
    let folders = try FileManager.default.contentsOfDirectory(atPath: harness).sorted().prefix(2)
    try Self.check(
      ["compare"] + folders.map { "\($0)=\(harness)\($0)" } + ["--draws", "100", "--output", place.run("compared")])
    let text = "{\"prompt\": \"1 + 1 is\", \"completion\": \" 2\"}\n{\"prompt\": \"2 + 1 is\", \"completion\": \" 3\"}"
    try text.write(toFile: place.path + "/test.jsonl", atomically: true, encoding: .utf8)
    try Self.check([
      "study", place.recipe, "schedule.max_steps=2", "save.every=none", "routing.device_limit=none",
      "data.test={path: \(place.path)/test.jsonl, format: prompt_completion}",
      "study.arms={standard: {}, L1: {routing.device_limit: 1}}", "output=\(place.run("study"))",
    ])
  }

  /// A count stands in front of its noun through `counted`: "1 layers" is not said.
  @Test func countsAgreeWithTheirNouns() throws {
    let nouns =
      "layers|tokens|experts|devices|nodes|steps|documents|samples|files|tensors|parameters|tasks|prompts|arms|seeds|sets|"
      + "swaps|replicas|ranks|threads|questions|rows|lines|epochs|values|points"
    let plural = try Regex(#"\\\(((?:[^()"]|\((?:[^()"]|\([^()"]*\))*\))*)\) (?:\#(nouns))\b(?! per )"#)
    // Texts, numbers with decimals, and what is never one.
    let others = try Regex(#"fixed\(|grouped\(|short\(|percent|text|names|declared|rate\(|two\("#)
    for folder in ["occult", "Training/Loop", "Evaluation/Study", "Evaluation/Report", "Evaluation/Tables"] {
      let root = CommandLineTests.root + "/Sources/" + folder
      let walk = try #require(FileManager.default.enumerator(atPath: root))
      for case let file as String in walk where file.hasSuffix(".swift") {
        let lines = try String(contentsOfFile: root + "/" + file, encoding: .utf8).components(separatedBy: "\n")
        for (number, line) in lines.enumerated() {
          let before = lines[max(0, number - 2)...number].joined()
          if line.contains("//") || before.contains("precondition") || line.contains("adding(") { continue }
          for match in line.matches(of: plural) {
            let expression = match.output[1].substring ?? ""
            #expect(expression.contains(others), "\(folder)/\(file):\(number + 1): \(line)")
          }
        }
      }
    }
  }

  @Test func oneLayerIsOneLayer() throws {
    let place = try Workplace()
    try "[[5, 3, 2, 2]]".write(toFile: place.path + "/l.json", atomically: true, encoding: .utf8)
    let made = try CommandLineTests.run([
      "profile", "--loads", place.path + "/l.json", "--top-k", "2", "--output", place.path + "/l.h5",
    ])
    #expect(made.out == "\(place.path)/l.h5: 1 layer, 6 tokens, 0 recorded sets\n")
  }

  @Test func aDryRunNotesALongWarmUpAndTheUnitOfTime() throws {
    let place = try Workplace()
    let epoch = ["~schedule.max_steps", "schedule.epochs=1"]
    let plan = try CommandLineTests.run(["finetune", place.recipe, "--dry-run", "schedule.warmup_steps=1000"] + epoch)
    #expect(plan.status == 0)
    #expect(
      plan.error.contains("warning: schedule.warmup_steps: 1000 steps of warm-up are longer than the run of "),
      "\(plan.error)")
    #expect(plan.out.contains(/about \d+:\d\d \(m:ss\) here/), "\(plan.out)")
    let usual = try CommandLineTests.run(["finetune", place.recipe, "--dry-run", "schedule.warmup_steps=2"] + epoch)
    #expect(usual.status == 0 && !usual.error.contains("warmup_steps"))
  }

  /// A random model on text of its own is far from any number of digits; a perplexity of 10²³ has an exponent.
  @Test func perplexitiesHaveFewDigits() throws {
    let place = try Workplace()
    // Long words of few: the loss of a word is that of hundreds of tokens.
    let text = (1...4).map { _ in String(repeating: "zq", count: 12) }.joined(separator: " ")
    try text.write(toFile: place.path + "/t.txt", atomically: true, encoding: .utf8)
    let found = try CommandLineTests.run([
      "evaluate", place.path + "/base.h5", "--text", place.path + "/t.txt", "--output", place.path + "/e",
    ])
    #expect(found.status == 0, "\(found.error)")
    #expect(found.out.contains(/word_perplexity +\d\.\d+e\+\d+/), "\(found.out)")
    #expect(!found.out.contains(/\d{12}\./))
  }

  @Test func whatTakesLongShowsProgress() throws {
    let place = try Workplace()
    _ = try OptionTests.arguments(place)
    let profile = place.path + "/profile.h5"
    let effort = ["--devices", "2", "--proposals", "10"]
    let analysed = try CommandLineTests.run(["analyze", profile, "--null-draws", "1"] + effort)
    #expect(analysed.status == 0 && analysed.error.contains(/analyze  2\/2 layers  100%/), "\(analysed.error)")
    let placed = try CommandLineTests.run(
      ["place", profile, "--replicas", "1", "--output", place.path + "/p.json"] + effort)
    #expect(placed.status == 0 && placed.error.contains(/place  2\/2 layers  100%/), "\(placed.error)")
  }
}
