import Checkpoint
import Foundation
import Models

/// A folder with a small random model that has a tokenizer, data, and a recipe.
final class Workplace {
  let path = NSTemporaryDirectory() + "/occult-finetune-" + UUID().uuidString
  var recipe: String { path + "/recipe.yaml" }
  func run(_ name: String) -> String { path + "/" + name }

  /// - Parameters:
  ///   - keys: Further members of `config.json`, `"sliding_window": null`.
  ///   - companions: Files beside it.
  /// - Throws: What writing throws.
  init(keys: String = "", companions: [String: String] = [:]) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let configuration = try ModelFamily.configuration(
      json: """
        {"model_type": "olmoe", "hidden_act": "silu", "hidden_size": 32, "num_attention_heads": 4,
         "num_hidden_layers": 2, "num_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 16,
         "vocab_size": 4096, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "norm_topk_prob": false, "clip_qkv": null, "tie_word_embeddings": false, "router_aux_loss_coef": 0.01,
         "eos_token_id": 0, "initializer_range": 0.08\(keys.isEmpty ? "" : ", " + keys)}
        """, file: "config.json")
    var extras = CheckpointExtras(configuration: configuration)
    extras.companions = companions
    extras.tokenizerJSON = try String(
      contentsOfFile: CommandLineTests.root + "/Tests/TextTests/Oracles/base.tokenizer.json", encoding: .utf8)
    try CheckpointWriter.write(
      path + "/base.h5", weights: ModelBytes(ModelFamily.random(configuration, seed: 1)), extras: extras,
      program: "test")
    let lines = (1...60).map { "{\"prompt\": \"\($0) + \($0) =\", \"completion\": \" \(2 * $0)\"}" }
    try lines.joined(separator: "\n").write(toFile: path + "/train.jsonl", atomically: true, encoding: .utf8)
    try """
    version: 1
    model: \(path)/base.h5
    data: {train: {path: train.jsonl, format: prompt_completion}, template: plain, max_tokens: 32}
    routing: {devices: 4, device_limit: 2}
    train: {attention: full, embeddings: full, norms: full}
    schedule: {epochs: 1000, max_steps: 12, batch_tokens: 64, warmup_steps: 2}
    run: {evaluate_every: none}
    save: {every: 1}
    output: \(path)/run
    """.write(toFile: recipe, atomically: true, encoding: .utf8)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Steps in `metrics.jsonl`; a torn last line does not count.
  func steps(_ run: String) -> [Int] {
    let text = (try? String(contentsOfFile: self.run(run) + "/metrics.jsonl", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { line in
      (try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["step"] as? Int
    }
  }
}
