internal import ExpertParallel
internal import Models
internal import Tensors
internal import Text
internal import Training

/// Continues prompts greedily, several at a time, until a text that ends an answer. Ranks share each batch: prompt p is
/// continued by rank p mod D, and all make the same passes.
struct GreedyAnswers {
  private let model: LanguageModel
  private let tokenizer: Tokenizer
  private let batchTokens: Int
  /// Counts what would be sent between devices; a pass is a step, a prompt has a home.
  private(set) var meter: CommunicationMeter?
  private let ranks: any Communicator

  /// A generator of answers.
  ///
  /// - Parameters:
  ///   - model: Its parameters must not be tracked.
  ///   - tokenizer: The model's.
  ///   - batchTokens: Most tokens of the sequences that grow side by side, unless one has more.
  ///   - meter: Counts communication if given.
  ///   - ranks: The processes that share the model's experts.
  init(
    _ model: LanguageModel, _ tokenizer: Tokenizer, batchTokens: Int, meter: CommunicationMeter?,
    ranks: any Communicator = SingleProcess()
  ) {
    (self.model, self.tokenizer, self.batchTokens) = (model, tokenizer, batchTokens)
    (self.meter, self.ranks) = (meter, ranks)
  }

  /// The answers, each up to the first text that ends it.
  ///
  /// - Parameters:
  ///   - prompts: At least one token each, with room for the new ones in the model's context.
  ///   - rule: What ends an answer.
  ///   - progress: Told the number of prompts done.
  /// - Returns: One text a prompt, on every rank; nil where logits were not finite.
  mutating func answer(
    _ prompts: [[Int32]], _ rule: TaskDefinition.Generation, progress: (Int) throws -> Void
  ) rethrows -> [String?] {
    var answers = [String?](repeating: nil, count: prompts.count)
    let order = prompts.indices.sorted { (prompts[$1].count, $0) < (prompts[$0].count, $1) }
    var start = 0
    while start < order.count {
      let size = max(1, batchTokens / (prompts[order[start]].count + rule.maxTokens))
      let batch = Array(order[start..<min(start + size, order.count)])
      run(batch, prompts, rule, &answers)
      start += batch.count
      try progress(start)
    }
    return ranks.gather(answers)
  }

  private mutating func run(
    _ all: [Int], _ prompts: [[Int32]], _ rule: TaskDefinition.Generation, _ answers: inout [String?]
  ) {
    let batch = all.filter { $0 % ranks.size == ranks.rank }
    let longest = all.map { prompts[$0].count }.max() ?? 1
    var session = DecodingSession(model, sequences: batch.count, capacity: longest + rule.maxTokens)
    /// Prompt of each sequence of the session, its new tokens, and what comes next.
    var live = batch.map { (prompt: $0, new: [Int32](), isDone: false) }
    var next = batch.map { prompts[$0] }
    for step in 1...rule.maxTokens {
      let pass = session.advance(next)
      meter?.add(pass, homes: live.map(\.prompt))
      let ranks = ranks
      meter?.endStep(ranks)
      let last = pass.segments.map { Int32($0.upperBound - 1) }
      let logits = model.logits(pass.hidden.gatherRows(last)).elements
      let width = model.configuration.vocabulary
      // As transformers' own generation, and so the harness, takes it from the file beside the model.
      var greedy = Sampling(repetitionPenalty: model.configuration.generation.repetitionPenalty ?? 1)
      for place in live.indices where !live[place].isDone {
        let row = Array(logits[place * width..<(place + 1) * width])
        guard row.allSatisfy(\.isFinite) else {
          live[place].isDone = true
          continue
        }
        let token = greedy.next(row, after: [prompts[live[place].prompt], live[place].new].joined())
        let isEnd = model.configuration.endTokens.contains(Int(token))
        if !isEnd { live[place].new.append(token) }
        let text = tokenizer.decode(live[place].new, skipSpecial: true)
        if isEnd || step == rule.maxTokens || rule.until.contains(where: { text.pieces($0).count > 1 }) {
          answers[live[place].prompt] = rule.until.reduce(text) { $0.pieces($1)[0] }
          live[place].isDone = true
        }
      }
      let left = live.indices.filter { !live[$0].isDone }
      let counts = ranks.sum([left.count, live.count])
      if counts[0] == 0 { return }
      // Sequences that are done go on unseen until they are the half: leaving them out costs a copy of the others'
      // rows.
      if counts[0] * 2 <= counts[1] {
        session = session.continued(left, adding: left.map { _ in rule.maxTokens - step })
        live = left.map { live[$0] }
      }
      next = live.map { [$0.new.last ?? 0] }
    }
  }
}
