import Checkpoint
import Foundation
import Models
import TestSupport
import Testing

/// A folder in which the documents' commands run as they stand: everything that they name is there, tiny.
final class Sandbox {
  let path = NSTemporaryDirectory() + "/occult-documents-" + UUID().uuidString
  private let root = CommandLineTests.root

  init() throws {
    for folder in ["bin", "checkpoints", "corpus", "data/mmlu/test", "data/mmlu/dev", "recipes/data", "results"] {
      try FileManager.default.createDirectory(atPath: path + "/" + folder, withIntermediateDirectories: true)
    }
    try link(CommandLineTests.program.path, "bin/occult")
    try makeModel()
    try copyRecipes()
    try copyTasks()
    let text = try start(of: "recipes/data/base-profile.txt", characters: 3000)
    try write(text, "corpus/one.txt")
    try write(String(text.reversed()), "corpus/two.txt")
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Runs lines of a shell to the first that fails.
  ///
  /// - Returns: Its status; output and errors together.
  func run(_ text: String) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "--kill-after", "10", "\(Hang.seconds)", "bash", "-e", "-c", text]
    process.currentDirectoryURL = URL(fileURLWithPath: path)
    let inherited = ProcessInfo.processInfo.environment
    process.environment = inherited.merging([
      "PATH": path + "/bin:" + (inherited["PATH"] ?? ""), "OCCULT_THREADS": "1",
      // What the documents tell those who are root, or have fewer processors than ranks.
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
      "OMPI_MCA_mpi_yield_when_idle": "1",
    ]) { $1 }
    let output = path + "/output"
    _ = FileManager.default.createFile(atPath: output, contents: nil)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    (process.standardOutput, process.standardError, process.standardInput) = (handle, handle, FileHandle.nullDevice)
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOfFile: output, encoding: .utf8))
  }

  /// What the commands of a document need that another one, or the reader, has made.
  func prepare(_ file: String) throws {
    let made = try run(Self.preparations[file] ?? "true")
    try #require(made.status == 0, "\(file): \(made.output)")
  }

  private static let evaluations = """
    occult evaluate checkpoints/base.h5 --recipe recipes/instructions.yaml --output results/base
    occult evaluate checkpoints/base.h5 --recipe recipes/instructions.yaml --devices 4 --output results/standard
    occult evaluate checkpoints/base.h5 --recipe recipes/instructions.yaml --devices 4 --device-limit 1 --policy router \\
      --output results/limited
    """
  private static let profile = """
    occult profile checkpoints/base.h5 --text corpus/one.txt --output profile.h5
    occult place profile.h5 --devices 4 --output placement.json
    cp checkpoints/base.h5 olmoe.h5
    """
  private static let mine = """
    occult recipes copy instructions mine.yaml && cp mine.yaml recipe.yaml
    occult finetune mine.yaml output=runs/mine
    """
  private static let preparations = [
    "README.md": evaluations,
    "docs/evaluation.md": mine, "docs/export.md": mine, "docs/parallel.md": mine,
    "docs/placement-export.md": profile,
    "docs/plan.md": profile + "\ncp recipes/topologies/occult-paper-points.yaml my-points.yaml",
    "docs/reading-the-report.md": evaluations
      + "\nfor s in 1 2 3; do cp -r results/standard results/s$s; cp -r results/limited results/l$s; done",
    "docs/record_routing.md": """
    for t in 0 1 2 3 4 5 6 7 8 9; do
      echo "{\\"layer\\": 0, \\"topk_ids\\": [$((t % 8)), $(((t + 3) % 8))], \\"topk_weights\\": [0.6, 0.4]}"
    done > routing.jsonl
    """,
  ]

  // MARK: What is there

  private func write(_ text: String, _ name: String) throws {
    try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
  }

  private func link(_ target: String, _ name: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path + "/" + name, withDestinationPath: target)
  }

  private func start(of file: String, characters: Int) throws -> String {
    String(try String(contentsOfFile: root + "/" + file, encoding: .utf8).prefix(characters))
  }

  /// A random model with a tokenizer, as checkpoint and as the hub's folder.
  private func makeModel() throws {
    let configuration = try ModelFamily.configuration(
      json: """
        {"model_type": "olmoe", "hidden_act": "silu", "hidden_size": 16, "num_attention_heads": 2,
         "num_hidden_layers": 2, "num_experts": 16, "num_experts_per_tok": 4, "intermediate_size": 8,
         "vocab_size": 4096, "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "norm_topk_prob": false, "clip_qkv": null, "tie_word_embeddings": false, "router_aux_loss_coef": 0.01,
         "eos_token_id": 0, "initializer_range": 0.08}
        """, file: "config.json")
    var extras = CheckpointExtras(configuration: configuration)
    extras.tokenizerJSON = try String(
      contentsOfFile: root + "/Tests/TextTests/Oracles/base.tokenizer.json", encoding: .utf8)
    try CheckpointWriter.write(
      path + "/checkpoints/base.h5", weights: ModelBytes(ModelFamily.random(configuration, seed: 1)), extras: extras,
      program: "test")
    let folder = try run("occult convert checkpoints/base.h5 OLMoE-1B-7B-0924")
    try #require(folder.status == 0, "\(folder.output)")
  }

  /// The recipes, with fewer steps, and the beginnings of their data.
  private func copyRecipes() throws {
    for folder in ["topologies", "tasks", "olmoe"] { try link(root + "/recipes/" + folder, "recipes/" + folder) }
    for name in ["quickstart", "instructions", "soft-pruning"] {
      let text = try String(contentsOfFile: root + "/recipes/\(name).yaml", encoding: .utf8)
      try write(
        text.replacing(/max_steps: \d+/, with: "max_steps: 2").replacing(/warmup_steps: \d+/, with: "warmup_steps: 1")
          .replacing(/batch_tokens: \d+/, with: "batch_tokens: 512"), "recipes/\(name).yaml")
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: root + "/recipes/data") {
      let file = "recipes/data/" + name
      switch (name as NSString).pathExtension {
      case "txt": try write(try start(of: file, characters: 3000), file)
      case "jsonl":
        let text = try String(contentsOfFile: root + "/" + file, encoding: .utf8)
        try write(text.split(separator: "\n").prefix(20).joined(separator: "\n"), file)
      case "json":
        let rows = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: root + "/" + file)))
        let few = Array(((rows as? [Any]) ?? []).prefix(20))
        try JSONSerialization.data(withJSONObject: few).write(to: URL(fileURLWithPath: path + "/" + file))
      default: break
      }
    }
  }

  /// Data of the tasks that the documents name: a few rows of each.
  private func copyTasks() throws {
    let rows = TaskCommandTests.rows
    for folder in ["piqa", "arc_easy", "winogrande"] { try link(rows + "/" + folder, "data/" + folder) }
    let files =
      ["winogrande.jsonl", "arc_easy.jsonl"]
      + ["abstract_algebra", "marketing"].flatMap { ["mmlu/test/\($0)_test.csv", "mmlu/dev/\($0)_dev.csv"] }
    for file in files {
      let text = try String(contentsOfFile: rows + "/" + file, encoding: .utf8)
      try write(text.split(separator: "\n").prefix(6).joined(separator: "\n") + "\n", "data/" + file)
    }
  }
}
