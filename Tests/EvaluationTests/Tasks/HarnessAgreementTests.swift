import Formats
import Foundation
import Testing

@testable import Evaluation
@testable import Text

/// Against lm-evaluation-harness on the same rows and weights: prompts by hash, every log-likelihood, every prediction,
/// all aggregates with their standard errors.
@Suite struct HarnessAgreementTests {
  static let tasks = ["arc_easy", "boolq", "piqa", "winogrande", "lambada_openai", "wikitext"]
  /// Rows made up in the hub's layout.
  static let layouts = [
    "hellaswag", "arc_challenge", "openbookqa", "sciq", "commonsense_qa", "rte", "copa", "wsc", "mathqa", "logiqa",
    "truthfulqa_mc1",
  ]

  /// Where rounding decides on a token's experts, a log-likelihood may differ by more: such documents are listed, and
  /// at most 0.5 % of all do.
  @Test func zeroShot() throws {
    let differing = try expectAgreement(try HarnessOracle.evaluate(Self.tasks + Self.layouts))
    #expect(differing.count <= differing.total / 200)
  }

  @Test func fewShotAndGroup() throws {
    let evaluation = try HarnessOracle.evaluate(["mmlu"], shots: 5)
    #expect(try expectAgreement(evaluation).count == 0)
    #expect(evaluation.tasks.count == 2 && evaluation.missing.count == 55)
    let files = try Self.files(evaluation)
    let group = try #require(files.groups.first { $0.group.name == "mmlu" })
    let figure = try #require(files.figures(of: group.tasks).first)
    let expected = try #require(try HarnessOracle.load().results["mmlu"])
    #expect(abs(figure.value - (expected["acc,none"]?.value ?? .nan)) <= 1e-12)
    #expect(abs((figure.standardError ?? .nan) - (expected["acc_stderr,none"]?.value ?? .nan)) <= 1e-12)
  }

  /// The harness draws examples for each question; behind them every log-likelihood is the same. Questions stand among
  /// the rows of `piqa` that are drawn from, one of them twice.
  @Test(arguments: [("arc_easy", 3), ("piqa", 2), ("winogrande", 3)])
  func drawnExamples(task: String, shots: Int) throws {
    let evaluation = try HarnessOracle.evaluate([task], limit: 8, shots: shots)
    #expect(try expectAgreement(evaluation, as: "\(task)_shots").count == 0)
  }

  /// Greedy answers, what the two filters find in them, and the score.
  @Test func generation() throws {
    var catalog = try TaskCatalog()
    let task = try #require(try catalog.tasks(named: ["gsm8k"]).first)
    #expect(task.shots == 5 && task.generation.maxTokens == 256 && task.generation.until.count == 3)
    let folder = NSTemporaryDirectory() + "/occult-tasks-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // The oracle's answers end after 48 tokens, as the harness's task file says there.
    let text = try String(contentsOfFile: HarnessOracle.root + "/recipes/tasks/gsm8k.yaml", encoding: .utf8)
    try text.replacing("max_gen_toks: 256", with: "max_gen_toks: 48").write(
      toFile: folder + "/gsm8k.yaml", atomically: true, encoding: .utf8)
    let evaluation = try HarnessOracle.evaluate(
      ["gsm8k"], shots: 2, batchTokens: 2048, catalog: try TaskCatalog(folder: folder))
    let scored = try #require(evaluation.tasks.first)
    let samples = try #require(try HarnessOracle.load().samples["gsm8k"])
    #expect(samples.count == 2 * scored.documents.count)
    for (index, document) in scored.documents.enumerated() {
      for (place, filter) in ["strict-match", "flexible-extract"].enumerated() {
        let sample = samples[place * scored.documents.count + index]
        #expect(SHA256.hexadecimal(document.document.requests[0].context) == sample.prompt_hash)
        #expect(document.answer == sample.generated)
        #expect(scored.filtered(document, filter) == sample.filtered)
        #expect(scored.figure(.exactMatch, document, filter: filter) == .hit(sample.exact_match == 1))
      }
    }
  }

  private static func files(_ evaluation: TaskEvaluation) throws -> HarnessFiles {
    let base = try BaseModel()
    let model = HarnessFiles.Model(
      path: "base", model: try base.files.model(), tokenizer: base.tokenizer, endOfText: base.end)
    return HarnessFiles(
      evaluation, model: model, result: EvaluationResult(model: "base", routing: nil, program: "test"),
      settings: .init(limit: nil, batchTokens: 4096, began: Date(timeIntervalSince1970: 0), seconds: 1, draws: 10_000))
  }

  /// - Returns: Documents that differ by more than the tolerance, all of them listed as close, and all documents.
  private func expectAgreement(
    _ evaluation: TaskEvaluation, as entry: String? = nil
  ) throws -> (count: Int, total: Int) {
    var (differing, total) = (0, 0)
    let oracle = try HarnessOracle.load()
    let files = try Self.files(evaluation)
    for scored in evaluation.tasks {
      let name = scored.task.definition.name
      let samples = try #require(oracle.samples[entry ?? name])
      try #require(samples.count == scored.documents.count)
      for (sample, document) in zip(samples, scored.documents) {
        let id = "\(name) \(document.document.id)"
        let requests = document.document.requests
        let isRolling = scored.task.definition.output == .rolling
        #expect(
          SHA256.hexadecimal(isRolling ? requests[0].continuation : requests[0].context) == sample.prompt_hash, "\(id)")
        let target = document.document.target
        let printed = target.string ?? target.integer.map(String.init) ?? ""
        #expect(SHA256.hexadecimal(printed) == sample.target_hash, "\(id): \(printed)")
        let expected = try #require(sample.loglikelihoods)
        #expect(document.responses.count == expected.count)
        let agrees = zip(document.responses, expected).allSatisfy {
          abs($0.logLikelihood - $1) <= 1e-3 + 1e-5 * abs($1)
        }
        #expect(agrees || document.isClose, "\(id): \(document.responses) for \(expected)")
        total += 1
        if !agrees { differing += 1 }
        if let greedy = sample.greedy { #expect(document.responses.map(\.isGreedy) == greedy, "\(id)") }
        if let acc = sample.acc { #expect(scored.figure(.acc, document, filter: "none") == .hit(acc == 1), "\(id)") }
        if let norm = sample.acc_norm {
          #expect(scored.figure(.accNorm, document, filter: "none") == .hit(norm == 1), "\(id)")
        }
      }
      for figure in files.figures[name] ?? [] {
        let key = figure.metric.rawValue
        let values = try #require(oracle.results[entry ?? name])
        let value = try #require(values["\(key),none"]?.value)
        #expect(abs(figure.value - value) <= 1e-5 * abs(value) + 1e-9, "\(name) \(key)")
        // A bootstrap: the harness draws 100,000 times, this test 10,000, and of a heavy tail.
        let tolerance = figure.metric == .perplexity ? 0.1 : 1e-9
        let error = values["\(key)_stderr,none"]?.value
        #expect((figure.standardError == nil) == (error == nil), "\(name) \(key)")
        if let error, let own = figure.standardError {
          #expect(abs(own - error) <= tolerance * abs(error), "\(name) \(key): \(own) for \(error)")
        }
      }
    }
    return (differing, total)
  }
}
