import ArgumentParser
import Checkpoint
import Models

/// How tokens are chosen; what is left out is as the model's `generation_config.json` says.
struct SamplingOptions: ParsableArguments {
  @Option(
    help: "0 for the likeliest token; higher is more random. (default: generation_config.json's, else 0.0)",
    transform: number)
  var temperature: Double?

  @Option(help: "Draw from so many likeliest tokens. (default: generation_config.json's, else all)", transform: count)
  var topK: Int?

  @Option(
    help: "Draw from the likeliest tokens that make up this share. (default: generation_config.json's, else 1.0)",
    transform: number)
  var topP: Double?

  @Option(
    help: """
      Logits of tokens that occurred are divided by it, or multiplied where negative; 1 for none. (default: \
      generation_config.json's, else 1.0)
      """,
    transform: number)
  var repetitionPenalty: Double?

  @Option(help: "Seed of the draws.")
  var seed: UInt64 = 0

  func validate() throws {
    if let temperature, !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature: expected 0 or more, found \(temperature)")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k: expected at least 1, found \(topK)") }
    if let topP, !(topP > 0 && topP <= 1) {
      throw ValidationError("--top-p: expected above 0 and at most 1, found \(topP)")
    }
    if let repetitionPenalty, !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
      throw ValidationError("--repetition-penalty: expected above 0, found \(repetitionPenalty)")
    }
  }

  /// Options before the file's settings before none, as transformers does it: without a temperature the file says
  /// whether tokens are drawn, and where it does and names no top-k, 50 is meant.
  ///
  /// - Parameter file: The model's settings.
  /// - Returns: The rule.
  /// - Throws: `ValidationError` where options ask for draws at temperature 0.
  func resolved(_ file: GenerationSettings) throws -> Sampling {
    let penalty = repetitionPenalty ?? file.repetitionPenalty ?? 1
    let temperature = temperature ?? (file.samples ? file.temperature ?? 1 : 0)
    guard temperature > 0 else {
      if topK != nil || (topP ?? 1) < 1 {
        throw ValidationError("--top-k, --top-p: expected a temperature to draw at, found 0; try --temperature 0.8")
      }
      return Sampling(repetitionPenalty: penalty, seed: seed)
    }
    let topK = topK ?? Self.topK(file)
    return Sampling(
      temperature: temperature, topK: topK, topP: topP ?? file.topP ?? 1, repetitionPenalty: penalty, seed: seed)
  }

  /// The file's top-k; nil for all tokens.
  private static func topK(_ file: GenerationSettings) -> Int? {
    let count = file.topK ?? (file.samples ? 50 : 0)
    return count > 0 ? count : nil
  }

  /// What is taken from the file, and what in it is left aside; nil where it says nothing.
  ///
  /// - Parameters:
  ///   - file: The model's settings.
  ///   - maxNew: Most new tokens, where an option says it.
  /// - Returns: One line.
  func line(_ file: GenerationSettings, maxNew: Int?) -> String? {
    var used: [String] = []
    if temperature == nil, file.samples { used.append("temperature \(file.temperature ?? 1)") }
    if temperature ?? (file.samples ? file.temperature ?? 1 : 0) > 0 {
      if topK == nil, let count = Self.topK(file) { used.append("top_k \(count)") }
      if topP == nil, let share = file.topP, share < 1 { used.append("top_p \(share)") }
    }
    if repetitionPenalty == nil, let penalty = file.repetitionPenalty, penalty != 1 {
      used.append("repetition_penalty \(penalty)")
    }
    if maxNew == nil, let count = file.maxNewTokens { used.append("max_new_tokens \(count)") }
    if !file.stopStrings.isEmpty { used.append("\(file.stopStrings.count) stop_strings") }
    var parts: [String] = []
    if !used.isEmpty { parts.append("\(used.joined(separator: ", ")); options go before them") }
    if !file.ignored.isEmpty { parts.append("not computed: \(file.ignored.joined(separator: ", "))") }
    return parts.isEmpty ? nil : "generation_config.json: " + parts.joined(separator: "; ")
  }
}
