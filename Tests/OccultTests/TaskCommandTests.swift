import Foundation
import Testing

/// `occult evaluate --tasks` from the command line, on a small random model.
@Suite struct TaskCommandTests {
  static let rows = CommandLineTests.root + "/Tests/EvaluationTests/Oracles/harness"

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
    // The context of this model has 64 tokens: one warning for all tasks.
    #expect(
      found.error.contains("longer than the model's context of 64 tokens and were cut at the left; fewer --shots avoid")
        && found.error.contains(": boolq "), "\(found.error)")
    #expect(found.error.components(separatedBy: "warning: ").count == 2, "\(found.error)")
    let folders = try FileManager.default.contentsOfDirectory(atPath: output).filter { !$0.contains("occult.") }
    #expect(folders.count == 1)
    let files = try FileManager.default.contentsOfDirectory(atPath: output + "/" + folders[0]).sorted()
    #expect(files.count == 3 && files[0].hasPrefix("results_") && files[1].hasPrefix("samples_boolq_"))
  }

  @Test func generatesAnswers() throws {
    let place = try Workplace()
    try place.writeSums()
    let found = try CommandLineTests.run([
      "evaluate", place.path + "/base.h5", "--tasks", place.path + "/sums.yaml", "--task-data", place.path, "--json",
      "--output", place.path + "/results",
    ])
    #expect(found.status == 0, "\(found.error)")
    #expect(found.out.contains("\"exact_match,number\": 0.0"))
  }

  /// Every rank scores its part, some of them none: scores, answers and counts are those of one process.
  @Test func ranksScoreWhatOneProcessDoes() throws {
    let place = try Workplace()
    try place.writeSums()
    for name in ["winogrande.jsonl", "winogrande"] {
      try FileManager.default.copyItem(atPath: Self.rows + "/" + name, toPath: place.path + "/" + name)
    }
    try " = Rain =\n It rained and the sea rose.\n = Ships =\n They came home in spring.\n".write(
      toFile: place.path + "/wikitext.txt", atomically: true, encoding: .utf8)
    var samples: [[String: [[String: Any]]]] = []
    var counts: [[String: Double]] = []
    for ranks in [1, 4] {
      let output = place.run("tasks-\(ranks)")
      let (status, error) = try RankTests.run(
        ranks,
        [
          "evaluate", place.path + "/base.h5", "--devices", "4", "--device-limit", "2", "--policy", "router", "--tasks",
          "winogrande,wikitext,\(place.path)/sums.yaml", "--task-data", place.path, "--limit", "7", "--shots", "1",
          "--batch-tokens", "150", "--output", output,
        ])
      try #require(status == 0, "\(error)")
      let folder =
        output + "/"
        + (try #require(
          try FileManager.default.contentsOfDirectory(atPath: output).first { !$0.contains("occult.") }))
      var found: [String: [[String: Any]]] = [:]
      for file in try FileManager.default.contentsOfDirectory(atPath: folder) {
        let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
        if file.hasPrefix("samples_") {
          found[String(file.prefix(16))] = try text.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
          }
        } else {
          let whole = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
          let own = try #require(whole?["occult"] as? [String: Any])
          counts.append(try #require(own["communication"] as? [String: Double]))
          counts[counts.count - 1]["tokens"] = own["tokens"] as? Double
        }
      }
      samples.append(found)
    }
    #expect(counts[0] == counts[1] && counts[0]["tokens"] ?? 0 > 100)
    #expect(samples[0].count == 3 && samples[0].keys == samples[1].keys)
    for (file, one) in samples[0] {
      let other = try #require(samples[1][file])
      #expect(one.count == other.count && !one.isEmpty, "\(file)")
      for (a, b) in zip(one, other) {
        let (x, y) = (numbers(a["filtered_resps"]), numbers(b["filtered_resps"]))
        #expect(x.count == y.count, "\(file)")
        for (x, y) in zip(x, y) { #expect(abs(x - y) <= 1e-5 + 1e-6 * abs(x), "\(file): \(x), \(y)") }
        #expect(texts(a["resps"]) == texts(b["resps"]), "\(file)")
      }
    }
  }

  /// Numbers in a value of a sample; harness files have them as text.
  private func numbers(_ value: Any?) -> [Double] {
    switch value {
    case let list as [Any]: list.flatMap { numbers($0) }
    case let number as Double: [number]
    case let text as String: Double(text).map { [$0] } ?? []
    default: []
    }
  }

  /// A run scores its recipe's tasks before it, on the way and at its end; `compare` pairs two such runs.
  @Test func aRunScoresItsTasks() throws {
    let place = try Workplace()
    try place.writeSums()
    func train(_ name: String, _ limit: String) throws -> CommandLineTests.Result {
      try CommandLineTests.run([
        "finetune", place.recipe, "routing.device_limit=\(limit)", "output=\(place.run(name))", "save.every=none",
        "schedule.max_steps=4", "tasks.names=[boolq, \(place.path)/sums.yaml]", "tasks.data=\(place.path)/data",
        "tasks.limit=6", "tasks.every=2",
      ])
    }
    let missing = try train("free", "none")
    #expect(missing.status == 1 && missing.error.contains("/data: expected a folder, found no"))
    try FileManager.default.createDirectory(atPath: place.path + "/data", withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Self.rows + "/boolq.jsonl", toPath: place.path + "/data/boolq.jsonl")
    try FileManager.default.copyItem(atPath: place.path + "/sums.jsonl", toPath: place.path + "/data/sums.jsonl")
    for (name, limit) in [("free", "none"), ("limited", "1")] {
      let found = try train(name, limit)
      try #require(found.status == 0, "\(found.error)")
      #expect(found.out.contains("|boolq|") && found.out.contains("/\(name)/tasks/"), "\(found.out)")
      let records = try String(contentsOfFile: place.run(name) + "/metrics.jsonl", encoding: .utf8)
        .split(separator: "\n").map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
      let steps = records.compactMap { $0?["tasks/boolq/acc"] is Double ? $0?["step"] as? Int : nil }
      #expect(steps == [2, 4])
      #expect(records.last??["tasks/sums/exact_match,number"] as? Double == 0)
    }
    let compared = try CommandLineTests.run([
      "compare", "free=" + place.run("free/tasks"), "limited=" + place.run("limited/tasks"), "--output",
      place.run("compared"),
    ])
    #expect(compared.status == 0 && compared.out.contains("boolq"), "\(compared.error)")
  }

  /// Texts in a value of a sample that are no numbers.
  private func texts(_ value: Any?) -> [String] {
    switch value {
    case let list as [Any]: list.flatMap { texts($0) }
    case let text as String: Double(text) == nil ? [text] : []
    default: []
    }
  }

  @Test(
    arguments: [
      (
        ["--tasks", "pica", "--task-data", rows], 1,
        "tasks: expected a task or a task file, found 'pica'; did you mean 'piqa'?\n"
      ),
      (
        ["--tasks", "boolq", "--task-data", rows, "--shots", "2"], 1,
        "\(rows): expected data of boolq (examples), one of boolq/train.jsonl, BoolQ/train.jsonl, found none; try the folder that holds them\n"
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

extension Workplace {
  /// A task of two sums whose answers are generated: `sums.yaml`, `sums.jsonl`.
  fileprivate func writeSums() throws {
    try """
    task: sums
    output_type: generate_until
    data: {split: test, files: [sums.jsonl]}
    doc_to_text: "{{q}} ="
    doc_to_target: "{{a}}"
    metric_list: [exact_match]
    generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
    filter_list: {number: {regex: "[0-9]+"}}
    """.write(toFile: path + "/sums.yaml", atomically: true, encoding: .utf8)
    try "{\"q\": \"1 + 1\", \"a\": \"2\"}\n{\"q\": \"2 + 2\", \"a\": \"4\"}\n".write(
      toFile: path + "/sums.jsonl", atomically: true, encoding: .utf8)
  }
}
