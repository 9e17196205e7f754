internal import Routing
internal import ExpertParallel
internal import Models
internal import Tensors
internal import Training

/// What a model gives for one request.
struct TokenScore: Sendable, Equatable {
  /// Σ log p of the scored tokens, in nats.
  var logLikelihood = 0.0
  /// Whether greedy decoding would have chosen each of them.
  var isGreedy = true
  /// Whether rounding may decide on a token's experts somewhere: ``CloseChoice``.
  var isClose = false
}

/// Scores requests, each shared beginning once: that of all of them, then that of the requests of a question.
///
///     examples ── question ─┬─ choice
///                           └─ choice
///
/// Questions are put together by length, without padding; which ones are together moves results by rounding only. Ranks
/// share each batch: question q is scored by rank q mod D, and all make the same passes, some of them with nothing to
/// read.
struct SharedPrefixScorer {
  private let model: LanguageModel
  private let batchTokens: Int
  /// Counts what would be sent between devices; a pass is a step, a question has a home.
  private(set) var meter: CommunicationMeter?
  /// Tokens the model has read, on all ranks.
  private(set) var tokensRead = 0
  private let ranks: any Communicator

  /// A shorter beginning of all requests is not worth a pass of its own.
  private static let shortestCommon = 16

  /// A scorer.
  ///
  /// - Parameters:
  ///   - model: Its parameters must not be tracked.
  ///   - batchTokens: Most tokens in a batch, unless one question has more.
  ///   - meter: Counts communication if given.
  ///   - ranks: The processes that share the model's experts.
  init(
    _ model: LanguageModel, batchTokens: Int, meter: CommunicationMeter?, ranks: any Communicator = SingleProcess()
  ) {
    (self.model, self.batchTokens, self.meter, self.ranks) = (model, batchTokens, meter, ranks)
  }

  /// Scores questions.
  ///
  /// - Parameters:
  ///   - questions: The requests of each; those of one question should begin alike.
  ///   - progress: Told the number of questions done.
  /// - Returns: A score for every request, in the order of `questions`, on every rank.
  mutating func score(
    _ questions: [[TokenRequest]], progress: (Int) throws -> Void
  ) rethrows -> [[TokenScore]] {
    var scores = questions.map { Array(repeating: TokenScore(), count: $0.count) }
    let read = tokensRead
    let common = Self.common(questions)
    var root: DecodingSession?
    var isRootClose = false
    if common > 0, let tokens = questions.first?.first?.tokens.prefix(common) {
      let session = DecodingSession(model, sequences: 1, capacity: common)
      // Each rank reads it for itself; it counts as read by the first.
      let pass = session.advance([Array(tokens)])
      isRootClose = !closeSegments(pass, homes: [0], counts: ranks.rank == 0).isEmpty
      root = session
    }
    let units = questions.indices.flatMap { Self.units($0, questions[$0], common) }
      .sorted { ($1.tokens, $0.question) < ($0.tokens, $1.question) }
    let total = max(questions.reduce(0) { $0 + $1.count }, 1)
    var (start, done) = (0, 0)
    while start < units.count {
      var (end, tokens) = (start, 0)
      while end < units.count, end == start || tokens + units[end].tokens <= batchTokens {
        tokens += units[end].tokens
        end += 1
      }
      run(Array(units[start..<end]), questions, after: root, common, &scores)
      done += units[start..<end].reduce(0) { $0 + $1.requests.count }
      start = end
      try progress(done * questions.count / total)
    }
    if isRootClose {
      for index in scores.indices { for place in scores[index].indices { scores[index][place].isClose = true } }
    }
    tokensRead = read + ranks.sum([tokensRead - read])[0]
    return gathered(scores)
  }

  /// The same without a word on the way.
  mutating func score(_ questions: [[TokenRequest]]) -> [[TokenScore]] { score(questions) { _ in } }

  /// The scores of all ranks, each of which has those of its own questions.
  private func gathered(_ scores: [[TokenScore]]) -> [[TokenScore]] {
    if ranks.size == 1 { return scores }
    let own = scores.enumerated().flatMap { question, scores in
      scores.map { question % ranks.size == ranks.rank ? $0 : TokenScore() }
    }
    let sums = ranks.sum(own.map(\.logLikelihood))
    let flags = ranks.sum(own.flatMap { [$0.isGreedy ? 0 : 1, $0.isClose ? 1 : 0] })
    var place = 0
    return scores.map { scores in
      scores.map { _ in
        defer { place += 1 }
        return TokenScore(
          logLikelihood: sums[place], isGreedy: flags[2 * place] == 0, isClose: flags[2 * place + 1] > 0)
      }
    }
  }

  // MARK: Units

  /// Requests of one question that share tokens behind the beginning that all questions share.
  private struct Unit {
    let question: Int
    let requests: [Int]
    /// Tokens that all of them begin with.
    let shared: Int
    /// Tokens to read for them.
    let tokens: Int
  }

  private static func units(_ question: Int, _ requests: [TokenRequest], _ common: Int) -> [Unit] {
    guard let first = requests.first else { return [] }
    let shared = requests.dropFirst().reduce(first.inputs) { min($0, $1.inputs, match(first.tokens, $1.tokens)) }
    guard shared > common else {
      return requests.indices.map {
        Unit(question: question, requests: [$0], shared: requests[$0].inputs, tokens: requests[$0].inputs - common)
      }
    }
    let rest = requests.reduce(0) { $0 + $1.inputs - shared }
    return [Unit(question: question, requests: Array(requests.indices), shared: shared, tokens: shared - common + rest)]
  }

  /// Tokens that all requests begin with, up to the first from which something is scored; 0 where it is few.
  private static func common(_ questions: [[TokenRequest]]) -> Int {
    let all = questions.joined()
    guard let first = all.first, all.count > 1 else { return 0 }
    let common = all.reduce(first.firstRow) { min($0, $1.firstRow, match(first.tokens, $1.tokens)) }
    return common >= shortestCommon ? common : 0
  }

  private static func match(_ a: [Int32], _ b: [Int32]) -> Int {
    let end = min(a.count, b.count)
    return (0..<end).first { a[$0] != b[$0] } ?? end
  }

  // MARK: Passes

  private mutating func run(
    _ batch: [Unit], _ questions: [[TokenRequest]], after root: DecodingSession?, _ common: Int,
    _ scores: inout [[TokenScore]]
  ) {
    let units = batch.filter { $0.question % ranks.size == ranks.rank }
    let trunks = units.map { unit in Array(questions[unit.question][unit.requests[0]].tokens[common..<unit.shared]) }
    let lengths = trunks.map(\.count)
    let session =
      root?.continued(Array(repeating: 0, count: units.count), adding: lengths)
      ?? DecodingSession(model, sequences: units.count, capacity: lengths.max() ?? 1)
    var (trunkRows, branchRows) = (ScoredRows(), ScoredRows())
    var branches: [(unit: Int, request: Int, tokens: [Int32])] = []
    var branchStart = 0
    var trunkStart = 0
    for (place, unit) in units.enumerated() {
      for index in unit.requests {
        let request = questions[unit.question][index]
        for row in request.firstRow..<request.inputs {
          let target = request.tokens[row + 1]
          if row < unit.shared {
            trunkRows.add(trunkStart + row - common, target, (unit.question, index))
          } else {
            branchRows.add(branchStart + row - unit.shared, target, (unit.question, index))
          }
        }
        if request.inputs > unit.shared {
          branches.append((place, index, Array(request.tokens[unit.shared..<request.inputs])))
          branchStart += request.inputs - unit.shared
        }
      }
      trunkStart += lengths[place]
    }
    let trunk = session.advance(trunks)
    for place in closeSegments(trunk, homes: units.map(\.question)) {
      for index in units[place].requests { scores[units[place].question][index].isClose = true }
    }
    trunkRows.score(trunk, model, &scores)
    // What one rank passes, all pass.
    let hasBranches = batch.contains { unit in
      unit.requests.contains { questions[unit.question][$0].inputs > unit.shared }
    }
    if !hasBranches { return }
    let branch = session.continued(branches.map(\.unit), adding: branches.map(\.tokens.count))
      .advance(branches.map(\.tokens))
    for place in closeSegments(branch, homes: branches.map { units[$0.unit].question }) {
      scores[units[branches[place].unit].question][branches[place].request].isClose = true
    }
    branchRows.score(branch, model, &scores)
  }

  /// Rows of a pass from which tokens are scored.
  private struct ScoredRows {
    var rows: [Int32] = []
    var targets: [Int32] = []
    var owners: [(question: Int, request: Int)] = []

    mutating func add(_ row: Int, _ target: Int32, _ owner: (Int, Int)) {
      rows.append(Int32(row))
      targets.append(target)
      owners.append(owner)
    }

    func score(_ pass: ForwardPass, _ model: LanguageModel, _ scores: inout [[TokenScore]]) {
      if rows.isEmpty { return }
      let found = pass.hidden.gatherRows(rows).scores(projectedBy: model.outputWeight, targets: targets)
      for (index, owner) in owners.enumerated() {
        scores[owner.question][owner.request].logLikelihood -= Double(found.losses[index])
        if !found.isBest[index] { scores[owner.question][owner.request].isGreedy = false }
      }
    }
  }

  /// Counts a pass, and finds the segments with a token whose experts hang on rounding.
  private mutating func closeSegments(_ pass: ForwardPass, homes: [Int], counts: Bool = true) -> Set<Int> {
    if counts {
      tokensRead += pass.hidden.rows
      meter?.add(pass, homes: homes)
    }
    let ranks = ranks
    meter?.endStep(ranks)
    var segments: Set<Int> = []
    for layer in pass.routing {
      let close = CloseChoice.tokens(layer.probabilities.elements, experts: layer.probabilities.columns, k: layer.k)
      var segment = 0
      for token in close {
        while pass.segments[segment].upperBound <= token { segment += 1 }
        segments.insert(segment)
      }
    }
    return segments
  }
}
