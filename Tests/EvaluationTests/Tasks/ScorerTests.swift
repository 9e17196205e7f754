import Foundation
import Models
import Testing
import Text

@testable import Evaluation

/// How requests are put together must not show in their scores.
@Suite struct ScorerTests {
  private static let tasks = ["arc_easy", "winogrande", "mmlu_marketing", "boolq"]

  /// Requests of some documents of several tasks, after two examples where a task has them.
  private func questions() throws -> (base: BaseModel, questions: [[TokenRequest]]) {
    let base = try BaseModel()
    let set = try TaskSet(
      Self.tasks, catalog: try TaskCatalog(), folder: HarnessOracle.folder, limit: 6, shots: nil)
    let encoder = RequestEncoder(base.tokenizer, endOfText: base.end, maxLength: 1024)
    let questions = try set.tasks.flatMap(\.documents).map { document in
      try document.requests.map { try encoder.pair($0.context, $0.continuation).request }
    }
    return (base, questions)
  }

  /// Σ log p from the logits of a pass over the request alone.
  private func plain(_ model: LanguageModel, _ request: TokenRequest) -> Double {
    let pass = model(TokenBatch(sequences: [Array(request.tokens.dropLast())]))
    let targets = request.tokens.dropFirst().enumerated().map { $0.offset < request.firstRow ? -100 : $0.element }
    return -Double(model.crossEntropy(pass, targets: targets).sum.scalar)
  }

  @Test func sharedBeginningsAndBatchesChangeNothing() throws {
    let (base, questions) = try questions()
    let model = try base.files.model().untracked()
    var whole = SharedPrefixScorer(model, batchTokens: 4096, meter: nil)
    let scores = whole.score(questions)
    #expect(whole.tokensRead < questions.joined().reduce(0) { $0 + $1.inputs })
    func expectEqual(_ others: [[TokenScore]], _ what: String) {
      for (own, other) in zip(scores.joined(), others.joined()) {
        let agrees = abs(own.logLikelihood - other.logLikelihood) <= 1e-5 + 1e-6 * abs(own.logLikelihood)
        #expect(agrees || own.isClose || other.isClose, "\(what): \(own.logLikelihood), \(other.logLikelihood)")
        #expect(own.isGreedy == other.isGreedy, "\(what)")
      }
    }
    for batchTokens in [2, 300] {
      var scorer = SharedPrefixScorer(model, batchTokens: batchTokens, meter: nil)
      expectEqual(scorer.score(questions), "batches of \(batchTokens)")
    }
    var backwards = SharedPrefixScorer(model, batchTokens: 1000, meter: nil)
    expectEqual(backwards.score(questions.reversed()).reversed(), "order")
    var alone = SharedPrefixScorer(model, batchTokens: 1000, meter: nil)
    let single = alone.score(questions.flatMap { $0.map { [$0] } })
    var next = single.makeIterator()
    expectEqual(questions.map { $0.compactMap { _ in next.next()?.first } }, "nothing shared")
    expectEqual(
      questions.map { $0.map { TokenScore(logLikelihood: plain(model, $0), isGreedy: true) } }.enumerated().map {
        place, row in
        row.enumerated().map {
          var score = $0.element
          score.isGreedy = scores[place][$0.offset].isGreedy
          return score
        }
      }, "one pass a request")
  }

  /// The beginning that all questions of a task share is read once.
  @Test func examplesAreReadOnce() throws {
    let base = try BaseModel()
    let set = try TaskSet(
      ["mmlu_marketing"], catalog: try TaskCatalog(), folder: HarnessOracle.folder, limit: 8, shots: 5)
    let task = try #require(set.tasks.first)
    let encoder = RequestEncoder(base.tokenizer, endOfText: base.end, maxLength: 1024)
    let questions = try task.documents.map { document in
      try document.requests.map { try encoder.pair($0.context, $0.continuation).request }
    }
    let contexts = task.documents.map(\.requests[0].context)
    let prefix = base.tokenizer.encode(contexts.dropFirst().reduce(contexts[0]) { $0.commonPrefix(with: $1) }).count
    var scorer = SharedPrefixScorer(try base.files.model().untracked(), batchTokens: 200, meter: nil)
    _ = scorer.score(questions)
    let alone = questions.reduce(0) { $0 + $1[0].inputs - prefix }
    #expect(prefix > 300)
    #expect(abs(scorer.tokensRead - prefix - alone) <= 4 * questions.count)
  }

  @Test func windowsAreTheHarness() throws {
    let base = try BaseModel()
    let encoder = RequestEncoder(base.tokenizer, endOfText: base.end, maxLength: 4)
    let text = "The old man sat by the fire and the snow fell."
    let tokens = base.tokenizer.encode(text)
    let windows = encoder.windows(text)
    #expect(tokens.count > 9)
    #expect(windows[0].tokens == [base.end] + tokens[..<4] && windows[0].scored == 4)
    #expect(windows[1].tokens == Array(tokens[3..<8]) && windows[1].scored == 4)
    let last = try #require(windows.last)
    #expect(last.tokens == Array(tokens[(tokens.count - 5)...]) && last.scored == (tokens.count - 1) % 4 + 1)
    #expect(windows.reduce(0) { $0 + $1.scored } == tokens.count)
  }

  @Test func pairsAreTheHarness() throws {
    let base = try BaseModel()
    let encoder = RequestEncoder(base.tokenizer, endOfText: base.end, maxLength: 8)
    // Space at the end of the context belongs to the continuation.
    let moved = try encoder.pair("The fire ", "burns")
    let plain = try encoder.pair("The fire", " burns")
    #expect(moved == plain && !plain.isCut)
    let bare = try encoder.pair("", " burns")
    #expect(bare.request.tokens == [base.end] + base.tokenizer.encode(" burns"))
    #expect(bare.request.scored == bare.request.tokens.count - 1)
    let long = try encoder.pair(String(repeating: "The old man sat. ", count: 5), "burns")
    #expect(long.isCut && long.request.tokens.count == 9)
    #expect(throws: ContinuationLength(tokens: 18)) {
      try encoder.pair("The fire", String(repeating: " burns", count: 9))
    }
    // "th" and "the" are one token each: nothing is left to score.
    #expect(throws: ContinuationLength(tokens: 0)) { try encoder.pair("I saw th", "e") }
    #expect(throws: ContinuationLength(tokens: 0)) { try encoder.pair("", "") }
    #expect(throws: ContinuationLength(tokens: 0)) { try encoder.pair("The fire", "") }
  }
}

extension TokenScore {
  init(logLikelihood: Double, isGreedy: Bool) {
    self.init()
    (self.logLikelihood, self.isGreedy) = (logLikelihood, isGreedy)
  }
}
