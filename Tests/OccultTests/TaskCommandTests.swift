import Foundation
import Testing

/// `occult evaluate --tasks` from the command line, on a small random model.
@Suite struct TaskCommandTests {
  private static let rows = CommandLineTests.root + "/Tests/EvaluationTests/Oracles/harness"

  @Test func scoresTasks() throws {
    let place = try Workplace()
    let output = place.path + "/results"
    let found = try CommandLineTests.run([
      "evaluate", place.path + "/base.h5", "--tasks", "boolq,winogrande", "--task-data", Self.rows, "--limit", "4",
      "--devices", "4", "--output", output,
    ])
    #expect(found.status == 0, "\(found.error)")
    #expect(found.out.contains("|boolq     |      2|none  |     0|acc   |↑  |"))
    #expect(found.out.contains("devices_per_token"))
    // The context of this model has 64 tokens.
    #expect(
      found.error.contains("warning: boolq: ") && found.error.contains("longer than the model's context of 64 tokens"))
    let folders = try FileManager.default.contentsOfDirectory(atPath: output)
    #expect(folders.count == 1)
    let files = try FileManager.default.contentsOfDirectory(atPath: output + "/" + folders[0]).sorted()
    #expect(files.count == 3 && files[0].hasPrefix("results_") && files[1].hasPrefix("samples_boolq_"))
  }

  @Test func generatesAnswers() throws {
    let place = try Workplace()
    try """
    task: sums
    output_type: generate_until
    data: {split: test, files: [sums.jsonl]}
    doc_to_text: "{{q}} ="
    doc_to_target: "{{a}}"
    metric_list: [exact_match]
    generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
    filter_list: {number: {regex: "[0-9]+"}}
    """.write(toFile: place.path + "/sums.yaml", atomically: true, encoding: .utf8)
    try "{\"q\": \"1 + 1\", \"a\": \"2\"}\n{\"q\": \"2 + 2\", \"a\": \"4\"}\n".write(
      toFile: place.path + "/sums.jsonl", atomically: true, encoding: .utf8)
    let found = try CommandLineTests.run([
      "evaluate", place.path + "/base.h5", "--tasks", place.path + "/sums.yaml", "--task-data", place.path, "--json",
      "--output", place.path + "/results",
    ])
    #expect(found.status == 0, "\(found.error)")
    #expect(found.out.contains("\"exact_match,number\": 0.0"))
  }

  @Test(
    arguments: [
      (
        ["--tasks", "pica", "--task-data", rows], 1,
        "--tasks: expected a task or a task file, found 'pica'; did you mean 'piqa'?\n"
      ),
      (
        ["--tasks", "piqa", "--task-data", rows, "--shots", "2"], 1,
        "\(rows): expected data of piqa (examples), one of a task with data.fewshot, found none; try --task-data with another folder\n"
      ),
      (
        ["--tasks", "piqa"], 64,
        "--tasks: expected --task-data, the folder of their data, found none; try --task-data data"
      ),
      (
        ["--text", "x", "--shots", "2"], 64,
        "--task-data, --task-folder, --shots: expected --tasks beside them, found none; try --tasks piqa"
      ),
      ([], 64, "evaluate: expected --recipe, --text or --tasks, found none; try --recipe recipes/quickstart.yaml"),
    ] as [([String], Int32, String)]) func badInput(arguments: [String], status: Int32, message: String) throws
  {
    let place = try Workplace()
    let found = try CommandLineTests.run(
      ["evaluate", place.path + "/base.h5"] + arguments + ["--output", place.path + "/results"])
    #expect(found.status == status)
    #expect(status == 1 ? found.error == message : found.error.contains(message), "\(found.error)")
    #expect(!FileManager.default.fileExists(atPath: place.path + "/results"))
  }
}
