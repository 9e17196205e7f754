import Checkpoint
import Foundation
import Models

/// A tiny model, data, recipes, and results of earlier commands: what scenarios begin with.
struct Ground {
  private(set) var path: String
  private let shell: Shell
  private let program: String

  /// Makes it, in about twenty runs of the program.
  ///
  /// Recipes of runs and partial checkpoints hold whole paths: it is made where workplaces will be, then moved.
  init(at place: String, to folder: String, shell: Shell, program: String) throws {
    (path, self.shell, self.program) = (place, shell, program)
    for path in [place, folder] { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path + "/data", withIntermediateDirectories: true)
    try writeModel()
    try writeData()
    try writeRecipes()
    try runCommands()
    try FileManager.default.moveItem(atPath: place, toPath: folder)
    path = folder
  }

  private func write(_ text: String, _ name: String) throws {
    try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
  }

  private func writeModel() throws {
    let configuration = try ModelFamily.configuration(
      json: """
        {"model_type": "olmoe", "hidden_act": "silu", "hidden_size": 16, "num_attention_heads": 2,
         "num_hidden_layers": 1, "num_experts": 6, "num_experts_per_tok": 2, "intermediate_size": 8,
         "vocab_size": 260, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "norm_topk_prob": false, "clip_qkv": null, "tie_word_embeddings": false, "router_aux_loss_coef": 0.01,
         "eos_token_id": 0, "initializer_range": 0.08}
        """, file: "config.json")
    var extras = CheckpointExtras(configuration: configuration)
    extras.tokenizerJSON = try Self.tokenizer()
    try CheckpointWriter.write(
      path + "/base.h5", weights: ModelBytes(ModelFamily.random(configuration, seed: 1)), extras: extras,
      program: "faults")
  }

  /// A tokenizer without merges: every byte is a token, spelt as byte-level tokenizers do.
  private static func tokenizer() throws -> String {
    var tokens: [String: Int] = ["<|endoftext|>": 0]
    var moved: UInt32 = 256
    for byte in UInt32(0)..<256 {
      let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      if !isPrintable { moved += 1 }
      guard let scalar = Unicode.Scalar(isPrintable ? byte : moved - 1) else { continue }
      tokens[String(Character(scalar))] = Int(byte) + 1
    }
    let level: [String: Any] = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    let end: [String: Any] = [
      "id": 0, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
      "special": true,
    ]
    let model: [String: Any] = ["type": "BPE", "vocab": tokens, "merges": [] as [String]]
    let whole: [String: Any] = [
      "version": "1.0", "added_tokens": [end], "pre_tokenizer": level, "decoder": level, "post_processor": level,
      "model": model,
    ]
    return String(decoding: try JSONSerialization.data(withJSONObject: whole, options: .sortedKeys), as: UTF8.self)
  }

  private func writeData() throws {
    func sums(_ range: ClosedRange<Int>) -> String {
      range.map { "{\"prompt\": \"\($0) + \($0) =\", \"completion\": \" \(2 * $0)\"}" }.joined(separator: "\n") + "\n"
    }
    try write(sums(1...24), "data/train.jsonl")
    try write(sums(25...30), "data/test.jsonl")
    let text = (1...12).map { "Line \($0) tells of \($0 * 7) ships." }.joined(separator: "\n") + "\n"
    try write(text, "data/text.txt")
    try write((1...8).map { "\($0) and \($0 + 1) are numbers." }.joined(separator: "\n") + "\n", "data/profile.txt")
    try write(
      """
      task: sums
      output_type: multiple_choice
      data: {split: test, files: [sums.jsonl]}
      doc_to_text: "{{q}} ="
      doc_to_choice: ["2", "4"]
      doc_to_target: "{{a}}"
      metric_list: [acc]

      """, "data/sums.yaml")
    try write(
      (1...6).map { "{\"q\": \"\($0) + \($0)\", \"a\": \($0 % 2)}" }.joined(separator: "\n") + "\n", "data/sums.jsonl")
    try write("1 2 3 4 5\n6 7 8 9 10\n", "data/tokens.txt")
  }

  private func writeRecipes() throws {
    let head = """
      version: 1
      model: base.h5
      data:
        train: {path: data/train.jsonl, format: prompt_completion}
        validation: 0.2
        test: {path: data/test.jsonl, format: prompt_completion}
        retention: {path: data/text.txt, format: text}
        profile: {path: data/profile.txt, format: text}
        template: plain
        max_tokens: 32
      routing: {devices: 2, device_limit: 1, placement: refined}

      """
    let body = """
      schedule: {epochs: 1000, max_steps: 4, batch_tokens: 64, warmup_steps: 1}
      run: {evaluate_every: none, threads: 1}
      save: {every: 1, keep: 2}
      output: run

      """
    try write(head + "train: {attention: full, embeddings: full, norms: full}\n" + body, "plain.yaml")
    try write(
      head + "train: {attention: full, embeddings: full, norms: full}\n"
        + body.replacing("evaluate_every: none", with: "evaluate_every: 2, keep_best: true").replacing(
          "every: 1", with: "every: 2")
        + "tasks: {names: [data/sums.yaml], data: data, every: 2}\n", "best.yaml")
    try write(
      head + "train: {attention: {lora: {rank: 2}}, experts: {lora: {rank: 1}}, router: frozen, embeddings: frozen, "
        + "norms: frozen}\n" + body, "lora.yaml")
    try write(
      head + body.replacing("max_steps: 4", with: "max_steps: 2").replacing("save: {every: 1, keep: 2}\n", with: "")
        + """
        study:
          seeds: [1, 2]
          arms:
            standard: {routing.device_limit: none}
            L1: {routing.device_limit: 1}
        tasks: {names: [data/sums.yaml], data: data}

        """, "study.yaml")
  }

  private func runCommands() throws {
    func occult(_ arguments: [String]) throws {
      let ending = try shell.run(program, arguments, in: path, environment: ["OCCULT_THREADS": "1"])
      guard ending.code == 0 else {
        throw Options.Failure(
          description: "ground: expected 'occult \(arguments.joined(separator: " "))' to work, found \(ending.words)\n"
            + ending.error)
      }
    }
    func move(_ from: String, _ to: String) throws {
      try FileManager.default.moveItem(atPath: path + "/" + from, toPath: path + "/" + to)
    }
    try occult(["finetune", "plain.yaml", "run.seed=2", "output=run"])
    try move("run", "old-run")
    try occult(["finetune", "best.yaml", "run.seed=2", "output=run"])
    try move("run", "old-best")
    // Stopped half-way: what --resume begins with.
    try occult(["finetune", "plain.yaml", "output=run"])
    try move("run", "whole-run")
    try halve("whole-run", "half-run")
    try occult(["finetune", "lora.yaml", "output=lora"])
    try occult(["convert", "whole-run/final.h5", "hub", "--with-code"])
    try occult(["convert", "old-run/final.h5", "old-hub", "--with-code"])
    try occult(["convert", "old-run/final.h5", "old.h5"])
    try occult(["convert", "lora/final.h5", "peft", "--adapter", "--allow-unlimited"])
    try occult(["profile", "base.h5", "--text", "data/profile.txt", "--output", "profile.h5"])
    try occult(["profile", "base.h5", "--text", "data/text.txt", "--output", "old-profile.h5"])
    try occult(["place", "profile.h5", "--devices", "2", "--proposals", "200", "--output", "placement.json"])
    try occult([
      "place", "profile.h5", "--devices", "2", "--method", "contiguous", "--output", "old-placement.json",
    ])
    for (name, model) in [("results-a", "whole-run/final.h5"), ("results-b", "old-run/final.h5")] {
      try occult(["evaluate", model, "--tasks", "data/sums.yaml", "--task-data", "data", "--output", name])
    }
    for (name, model) in [("losses-a", "whole-run/final.h5"), ("losses-b", "old-run/final.h5")] {
      try occult(["evaluate", model, "--recipe", "plain.yaml", "--output", name])
    }
    try occult(["compare", "results-a", "results-b", "--draws", "100", "--seed", "2", "--output", "old-compared"])
  }

  /// A run of which the last two steps are not there yet.
  private func halve(_ whole: String, _ half: String) throws {
    let (manager, folder) = (FileManager.default, path + "/" + half)
    try manager.copyItem(atPath: path + "/" + whole, toPath: folder)
    for name in ["final.h5", "summary.json", "checkpoints/step-3.h5"] {
      try manager.removeItem(atPath: folder + "/" + name)
    }
  }
}
