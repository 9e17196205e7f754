import Foundation
import Testing

/// `occult compare` as a user starts it, on what lm-evaluation-harness wrote.
@Suite struct CompareCommandTests {
  static let folder = CommandLineTests.root + "/Tests/EvaluationTests/Fixtures/harness"
  let output = NSTemporaryDirectory() + "/occult-compare-" + UUID().uuidString

  private func compare(_ arguments: String...) throws -> CommandLineTests.Result {
    try CommandLineTests.run(["compare"] + arguments + ["--output", output])
  }

  @Test func writesTableFilesAndReport() throws {
    defer { try? FileManager.default.removeItem(atPath: output) }
    // Fine-tuning on arithmetic made the novels worse: on them the base is what was gained.
    let arms = ["\(Self.folder)/base", "\(Self.folder)/standard", "again=\(Self.folder)/base"]
    let result = try compare(arms[0], arms[1], arms[2], "--base", "standard", "--standard", "base", "--draws", "500")
    #expect(result.status == 0, "\(result.error)")
    for text in ["choice_local", "pages_local", "word_perplexity", "again", "gain kept", "report.html"] {
      #expect(result.out.contains(text), "\(text)")
    }
    #expect(result.out.contains("On pages_local (word_perplexity) 'again' keeps 100.0 % of what standard"))
    let files = ["comparison.json", "comparison.md", "comparison.csv", "report.html"]
    for file in files { #expect(FileManager.default.fileExists(atPath: output + "/" + file), "\(file)") }
    let again = try compare(arms[0], arms[1])
    #expect(again.status == 1 && again.error.contains("comparison.json"))
    let json = try compare(arms[0], arms[1], "--overwrite", "--json")
    let object = try JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any]
    #expect(json.status == 0 && object?["reference"] as? String == "base")
  }

  @Test func badInputIsRefused() throws {
    let standard = Self.folder + "/standard"
    let cases: [([String], Int32, String)] = [
      (
        [standard, "nowhere"], 1,
        "nowhere: expected results_<time>.json and samples_<task>_<time>.jsonl of an evaluation, found no such folder; "
          + "try the --output of `occult evaluate`\n"
      ),
      ([standard], 1, "compare: expected at least 2 arms, found 1; try NAME=FOLDER,FOLDER for the runs of an arm\n"),
      (
        [standard, "=\(standard)"], 1,
        "'=\(standard)': expected an arm, found an empty name; try NAME=FOLDER,FOLDER for the runs of an arm\n"
      ),
      (
        ["a=\(standard)", "b=\(standard),\(standard)", "c=\(standard),\(standard),\(standard)"], 1,
        "b: expected 1 or 3 runs as of the other arms, found 2; try as many runs for each arm, in the same order of seeds\n"
      ),
      (
        ["a=\(standard)", "b=\(standard)", "--base", "c"], 1,
        "--base: expected one of the arms, found 'c'; try one of a, b\n"
      ),
      (["a=\(standard)", "b=\(standard)", "--draws", "10"], 1, "--draws: expected at least 100, found 10; try 2000\n"),
    ]
    for (arguments, status, message) in cases {
      let result = try CommandLineTests.run(["compare"] + arguments + ["--output", output])
      #expect(result.status == status && result.error == message, "\(result.error)")
      #expect(!FileManager.default.fileExists(atPath: output))
    }
    let margin = try compare("a=\(standard)", "b=\(standard)", "--margin", "10%")
    #expect(
      margin.status == 64 && margin.error.contains("--margin: expected --base with a share of the gain, found none"))
    let odd = try compare("a=\(standard)", "b=\(standard)", "--margin", "-1")
    #expect(odd.status == 64)
  }
}
