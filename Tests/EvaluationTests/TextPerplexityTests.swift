import Checkpoint
import Foundation
import Models
import Testing
import Text
import Training

@testable import Evaluation

/// Perplexities of the base model on a short text, against their definitions computed from whole logits.
@Suite struct TextPerplexityTests {
  @Test func followsItsDefinitions() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let files = try ModelFiles(opening: root + "/checkpoints/base.h5")
    let (model, (tokenizer, end)) = (try files.model(), try TrainingData.tokenizer(of: files))
    let text = "The old man sat by the fire. Outside, the snow was falling on the village, and nobody came."
    let tokens = tokenizer.encode(text)
    let result = try TextPerplexity(
      text, file: "text", model: model, tokenizer: tokenizer, endOfText: end, blockTokens: 8)

    /// -log p of every token but the first, in double precision.
    func losses(_ tokens: [Int32]) -> [Double] {
      let logits = model.logits(model(TokenBatch(sequences: [tokens])).hidden).elements.map(Double.init)
      let width = model.configuration.vocabulary
      return (1..<tokens.count).map { position in
        let row = logits[(position - 1) * width..<position * width]
        let most = row.max() ?? 0
        return most + log(row.reduce(0) { $0 + exp($1 - most) }) - row[row.startIndex + Int(tokens[position])]
      }
    }
    let blocks = stride(from: 0, to: tokens.count, by: 8).map { Array(tokens[$0..<min($0 + 8, tokens.count)]) }
    let inBlocks = blocks.filter { $0.count > 1 }.flatMap(losses)
    #expect(result.tokens == inBlocks.count)
    #expect(abs(result.loss - inBlocks.reduce(0, +) / Double(inBlocks.count)) <= 1e-5)
    #expect(abs(result.tokenPerplexity - exp(result.loss)) <= 1e-9)
    let stream = [end] + tokens
    // The last window reads as many tokens as the others: what it does not predict is context.
    let rolling = stride(from: 0, to: tokens.count, by: 8).flatMap { start in
      let last = min(start + 8, tokens.count)
      return losses(Array(stream[max(0, last - 8)...last])).suffix(last - start)
    }
    #expect(rolling.count == tokens.count)
    let sum = rolling.reduce(0, +)
    #expect(result.words == 18 && result.bytes == text.utf8.count)
    #expect(abs(log(result.wordPerplexity) - sum / 18) <= 1e-4)
    #expect(abs(result.bitsPerByte - sum / Double(text.utf8.count) / log(2)) <= 1e-5)
    #expect(abs(log(result.bytePerplexity) - sum / Double(text.utf8.count)) <= 1e-5)
  }

  /// What lm-evaluation-harness makes of a text in windows, in float64; float32 sums some fifty losses.
  @Test func equalsTheHarness() throws {
    struct Golden: Decodable {
      struct Case: Decodable {
        let length: Int, nll: Double, words: Int, bytes: Int, loss: Double
      }
      let text: String
      let cases: [Case]
    }
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: here.appending(path: "Oracles/perplexity-golden.json")))
    let root = here.deletingLastPathComponent().deletingLastPathComponent().path
    let files = try ModelFiles(opening: root + "/checkpoints/base.h5")
    let (model, (tokenizer, end)) = (try files.model(), try TrainingData.tokenizer(of: files))
    #expect(golden.cases.count == 3)
    for wanted in golden.cases {
      let result = try TextPerplexity(
        golden.text, file: "text", model: model, tokenizer: tokenizer, endOfText: end, blockTokens: wanted.length)
      #expect(result.words == wanted.words && result.bytes == wanted.bytes)
      #expect(abs(result.loss - wanted.loss) <= 1e-5)
      #expect(abs(log(result.wordPerplexity) - wanted.nll / Double(wanted.words)) <= 1e-5)
      #expect(abs(log(result.bytePerplexity) - wanted.nll / Double(wanted.bytes)) <= 1e-5)
    }
  }

  @Test func tooLittleTextIsNamed() throws {
    #expect(
      PerplexityError.tooShort(file: "a.txt", tokens: 1).description
        == "a.txt: expected at least 2 tokens of text, found 1; try a longer text")
  }
}
