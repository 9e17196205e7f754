import Foundation
import Testing

/// What commands say where they cannot do what was asked for.
@Suite struct MistakeTests {
  @Test(arguments: [
    (["finetun", "r.yaml"], "occult: expected a command, found 'finetun'; did you mean 'finetune'?"),
    (["help", "analyse"], "occult: expected a command, found 'analyse'; did you mean 'analyze'?"),
    (["recipes", "lst"], "recipes: expected a command, found 'lst'; did you mean 'list'?"),
    (["bench", "xyzzy"], "bench: expected a command, found 'xyzzy'; try one of train, prefill, decode, profile, "),
  ])
  func aMistypedCommandIsGuessed(arguments: [String], message: String) throws {
    let result = try CommandLineTests.run(arguments)
    #expect(result.status == 64 && result.out == "" && result.error.contains(message), "\(result.error)")
  }

  @Test func aPromptThatCannotBeContinuedIsNotShown() throws {
    let place = try Workplace()
    let prompt = String(repeating: "fire ", count: 100)
    let result = try CommandLineTests.run(["generate", place.path + "/base.h5", "--prompt", prompt])
    #expect(result.status == 1 && result.out == "" && !result.error.contains("fire"))
    let good = try CommandLineTests.run(["generate", place.path + "/base.h5", "--prompt", "fire", "--max-new", "2"])
    #expect(good.status == 0 && good.out.hasPrefix("fire") && good.out.hasSuffix("\n"))
  }

  @Test func evaluatingNothingIsAnError() throws {
    let place = try Workplace()
    let output = place.path + "/results"
    func evaluate(_ changes: String...) throws -> CommandLineTests.Result {
      try CommandLineTests.run(
        ["evaluate", place.path + "/base.h5", "--recipe", place.recipe, "--output", output] + changes)
    }
    let nothing = try evaluate()
    #expect(nothing.status == 64 && nothing.out == "" && !FileManager.default.fileExists(atPath: output))
    #expect(
      nothing.error.contains("\(place.recipe): data.test: expected test or retention data to measure on, found none"))
    let test = "data.test={path: \(place.path)/test.jsonl, format: prompt_completion}"
    try "{\"prompt\": \"1 + 1 is\", \"completion\": \" 2\"}\n{\"prompt\": \"2 + 1 is\", \"completion\": \" 3\"}".write(
      toFile: place.path + "/test.jsonl", atomically: true, encoding: .utf8)
    let measured = try evaluate(test)
    #expect(measured.status == 0 && measured.out.contains("token_perplexity"), "\(measured.error)")
    let wrong = try evaluate("data.tst=1")
    #expect(wrong.status == 1 && wrong.error.contains("did you mean 'data.test'?"))
    let alone = try CommandLineTests.run(["evaluate", place.path + "/base.h5", test, "--output", output])
    #expect(alone.status == 64 && alone.error.contains("expected --recipe with changes of it"))
  }

  /// A copy in another folder finds what the recipe found; comments stay.
  @Test func aCopiedRecipeFindsItsData() throws {
    let place = try Workplace()
    try FileManager.default.createDirectory(atPath: place.path + "/deep/er", withIntermediateDirectories: true)
    let copy = place.path + "/deep/er/mine.yaml"
    for name in ["quickstart", "instructions", "soft-pruning"] {
      try? FileManager.default.removeItem(atPath: copy)
      let made = try CommandLineTests.run([
        "recipes", "copy", name, copy, "--folder", CommandLineTests.root + "/recipes",
      ])
      #expect(made.status == 0)
      let valid = try CommandLineTests.run(["recipes", "validate", copy, "model=\(place.path)/base.h5"])
      #expect(valid.status == 0 && valid.out == "\(copy): valid\n", "\(name): \(valid.error)")
      let (old, new) = (
        try String(contentsOfFile: CommandLineTests.root + "/recipes/\(name).yaml", encoding: .utf8),
        try String(contentsOfFile: copy, encoding: .utf8)
      )
      #expect(old != new && old.components(separatedBy: "#").count == new.components(separatedBy: "#").count)
      #expect(old.components(separatedBy: "\n").count == new.components(separatedBy: "\n").count)
    }
  }

  @Test func resumingAndExtendingFromTheCommandLine() throws {
    let place = try Workplace()
    let (old, new) = (place.run("old"), place.run("new"))
    let first = try CommandLineTests.run(["finetune", place.recipe, "output=\(old)"])
    #expect(first.status == 0, "\(first.error)")
    try FileManager.default.moveItem(atPath: old, toPath: new)
    let longer = ["finetune", place.recipe, "schedule.max_steps=15", "output=\(new)"]
    let refused = try CommandLineTests.run(longer + ["--resume"])
    #expect(refused.status == 1 && refused.error.contains("schedule.max_steps: was 12, is 15"))
    #expect(refused.error.contains("or --extend to train on for more steps"))
    let both = try CommandLineTests.run(longer + ["--resume", "--extend"])
    #expect(both.status == 64 && both.error.contains("found --resume and --extend"))
    let extended = try CommandLineTests.run(longer + ["--extend"])
    #expect(extended.status == 0, "\(extended.error)")
    #expect(extended.error.contains("trains on from step 12 of 12 to step 15"))
    #expect(place.steps("new") == Array(1...15))
    let again = try CommandLineTests.run(longer + ["--extend"])
    #expect(again.status == 1 && again.error.contains("expected more than 15 steps to train on from, found 15"))
  }
}
