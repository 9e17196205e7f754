import Foundation
import Models
import Testing
import Text

@testable import Evaluation

/// Generated answers of tasks under `generation_config.json`.
@Suite struct GreedyAnswersTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static func configuration(_ settings: String) throws -> ModelConfiguration {
    var configuration = try ModelFamily.configuration(
      json: """
        {"model_type": "olmoe", "hidden_act": "silu", "hidden_size": 32, "num_attention_heads": 4, "vocab_size": 4096,
         "num_hidden_layers": 1, "num_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 16,
         "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "norm_topk_prob": false,
         "tie_word_embeddings": true, "router_aux_loss_coef": 0.01, "eos_token_id": 0, "initializer_range": 0.08}
        """, file: "config.json")
    configuration.generation = try GenerationSettings(json: settings, file: "generation_config.json", vocabulary: 4096)
    return configuration
  }

  /// The penalty goes over prompt and answer, each of its own sequence, as `generate` computes it one by one.
  @Test func penaltyOfTheFile() throws {
    let data = try Data(contentsOf: Self.root.appendingPathComponent("Tests/TextTests/Oracles/base.tokenizer.json"))
    let tokenizer = try Tokenizer(json: data, source: "tokenizer.json")
    let prompts: [[Int32]] = ["The old man", "Once upon a time there was"].map { tokenizer.encode($0) }
    let rule = TaskDefinition.Generation(until: ["never in it"], maxTokens: 20)
    func answers(_ settings: String) throws -> [String?] {
      let model = ModelFamily.random(try Self.configuration(settings), seed: 3)
      var answers = GreedyAnswers(model, tokenizer, batchTokens: 1000, meter: nil)
      return answers.answer(prompts, rule) { _ in }
    }
    func alone(_ penalty: Double) throws -> [String?] {
      let model = ModelFamily.random(try Self.configuration("{}"), seed: 3)
      return try prompts.map { prompt in
        var text = Generator(model, sampling: Sampling(repetitionPenalty: penalty))
        return tokenizer.decode(try text.continue(with: prompt, maxNew: 20), skipSpecial: true)
      }
    }
    // Whatever it says of drawing: tasks take the likeliest token.
    let penalised = try answers(#"{"repetition_penalty": 1.5, "do_sample": true, "temperature": 2.0}"#)
    #expect(penalised == (try alone(1.5)))
    #expect(try answers("{}") == alone(1))
    #expect(penalised != (try alone(1)))
  }
}
