internal import Routing
internal import Formats
internal import Foundation
internal import Text

/// What all tasks of a comparison share: the roles of the arms, the margin, the draws.
struct QualityPairing {
  let names: [String]
  let reference: Int
  let base: Int?
  let margin: Margin
  let bootstrap: Bootstrap

  /// Level of verdicts, and of "better than guessing".
  static let level = 0.05

  /// Resamples a metric for every arm: Σ of the terms' first over Σ of their second.
  ///
  /// Training seeds are drawn alike for all tasks, questions for each task apart.
  func figures(_ task: PairedTask, _ terms: (_ question: Int, Answer) -> (Double, Double)) -> [Resampled] {
    var stream = StableHash()
    stream.combine(task.name)
    return task.answers.map { runs in
      let all = runs.map { answers in answers.indices.map { terms($0, answers[$0]) } }
      let weights = all[0].map(\.1)
      let values = all.map { $0.map(\.0) }
      let total = weights.reduce(0, +)
      let seeds = values.map { $0.reduce(0, +) / total }
      return Resampled(
        value: seeds.reduce(0, +) / Double(seeds.count),
        draws: bootstrap.resample(values, weights: weights, stream: stream.value), seeds: seeds)
    }
  }

  /// One arm against the reference.
  ///
  /// `flips` are the questions gained and lost, of how many: nil where answers are not right or wrong. `isSingle` says that
  /// both have one run, so that McNemar's test may be used.
  func difference(
    _ arm: Int, _ figures: [Resampled], higherIsBetter: Bool, flips: (gained: Int, lost: Int, all: Int)?,
    isSingle: Bool
  ) -> QualityDifference {
    let difference = unseen(figures[arm] - figures[reference], flips, arm)
    let sign = higherIsBetter ? -1.0 : 1
    let isExact = flips != nil && isSingle
    let gain = base.map { sign * (figures[$0] - figures[reference]) }
    let isStatable = if case .absolute = margin { true } else { gain != nil }
    return QualityDifference(
      arm: names[arm], difference: Difference(difference),
      pValue: isExact
        ? PairedTests.mcNemar(gained: flips?.gained ?? 0, lost: flips?.lost ?? 0) : difference.pValue,
      test: isExact ? "mcnemar" : "bootstrap", gained: flips?.gained, lost: flips?.lost,
      nonInferiority: isStatable && arm != base
        ? NonInferiority(harm: sign * difference, gain: gain, margin: margin) : nil)
  }

  /// A difference in right answers, with doubt about flips that no question showed.
  ///
  /// Where nothing flipped one way, resampled questions never do either, and twelve questions without a flip would prove
  /// equality. The rate of flips unseen in n questions is drawn from what remains likely, P(rate > r) = (1 − r)ⁿ ≈ exp(−n r):
  /// the 95 % bound is the "rule of three", 3 / n.
  private func unseen(
    _ difference: Resampled, _ flips: (gained: Int, lost: Int, all: Int)?, _ arm: Int
  ) -> Resampled {
    guard let flips, flips.gained == 0 || flips.lost == 0 else { return difference }
    var random = SplitMix64(seed: bootstrap.seed &+ UInt64(arm) << 32)
    func rate(_ isUnseen: Bool) -> Double {
      let drawn = -log(1 - random.uniform()) / Double(flips.all)
      return isUnseen ? drawn : 0
    }
    return Resampled(
      value: difference.value,
      draws: difference.draws.map { min(1, max(-1, $0 + rate(flips.gained == 0) - rate(flips.lost == 0))) },
      seeds: difference.seeds)
  }

  /// Arms that stand against the reference.
  var others: [Int] { names.indices.filter { $0 != reference } }

  /// The mean over tasks of their right-or-wrong primary metrics, those at chance level left out.
  func mean(_ drafts: [TaskDraft]) -> QualityMetric? {
    let used = drafts.filter { $0.primary.isRight && !$0.result.isAtChance && !$0.task.isFurther }
    guard used.count >= 2 else { return nil }
    let share = 1 / Double(used.count)
    let figures = names.indices.map { arm in
      used.dropFirst().reduce(share * used[0].primaryFigures[arm]) { $0 + share * $1.primaryFigures[arm] }
    }
    return QualityMetric(
      metric: "mean of \(counted(used.count, "task"))", unit: "", higherIsBetter: true, chance: nil, isAtChance: false,
      values: zip(names, figures).map { QualityValue(arm: $0, value: $1.value, stderr: $1.standardError) },
      differences: others.map { difference($0, figures, higherIsBetter: true, flips: nil, isSingle: false) })
  }

  /// Corrects the p-values of primary metrics for their number: of the base, and of all other arms together.
  func correct(_ drafts: inout [TaskDraft]) {
    let families = [others.filter { $0 == base }, others.filter { $0 != base }]
    for family in families {
      let arms = family.map { names[$0] }
      let counted = drafts.indices.filter { !drafts[$0].result.metrics[0].isAtChance && !drafts[$0].task.isFurther }
      let places = counted.flatMap { task in
        drafts[task].result.metrics[0].differences.indices.filter {
          arms.contains(drafts[task].result.metrics[0].differences[$0].arm)
        }.map { (task, $0) }
      }
      let adjusted = PairedTests.holm(places.map { drafts[$0.0].result.metrics[0].differences[$0.1].pValue })
      for ((task, place), p) in zip(places, adjusted) {
        let metric = drafts[task].result.metrics[0]
        let mean = metric.differences[place].difference.mean
        drafts[task].result.metrics[0].differences[place].adjusted = p
        drafts[task].result.metrics[0].differences[place].verdict =
          p >= Self.level || mean == 0 ? .noneShown : (mean > 0) == metric.higherIsBetter ? .better : .worse
      }
    }
  }
}

/// A task while it is compared.
struct TaskDraft {
  let task: PairedTask
  /// The metric in verdicts and means, and its figure for every arm.
  let primary: PairedMetric
  let primaryFigures: [Resampled]
  /// The right-or-wrong metric whose flips are listed.
  let flipMetric: PairedMetric?
  var result: QualityTask

  init(_ task: PairedTask, _ pairing: QualityPairing) {
    self.task = task
    let metrics = task.metrics.map { name in
      PairedMetric(
        name, task.answers.joined().joined().compactMap { $0.values[name] },
        lowerIsBetter: task.lowerIsBetter.contains(name))
    }
    let usual = PairedMetric.primary(metrics) ?? metrics[0]
    let chance = Self.chance(task)
    let isAtChance = Self.isGuessing(task, usual, chance)
    let gold = isAtChance ? Self.gold(task, pairing) : nil
    // A last word that nobody finds has a likelihood as well: the task's own perplexity.
    let other = isAtChance && gold == nil ? metrics.first { $0.name.hasSuffix("perplexity") } : nil
    let own = other ?? usual
    primary = gold == nil ? own : .gold
    flipMetric = usual.isRight ? usual : metrics.first(where: \.isRight)
    var results: [QualityMetric] = []
    var first: [Resampled] = []
    for metric in [own] + metrics.filter({ $0 != own }) {
      let figures = pairing.figures(task) { _, answer in
        answer.values[metric.name].map(metric.terms) ?? (0, 1)
      }
      if metric == own { first = figures }
      results.append(
        Self.result(
          metric, figures, task, pairing, chance: metric.isChoice ? chance : nil,
          isAtChance: Self.isGuessing(task, metric, chance)))
    }
    if let gold {
      first = gold
      results.insert(Self.result(.gold, gold, task, pairing, chance: nil, isAtChance: false), at: 0)
    }
    primaryFigures = first
    result = QualityTask(
      task: task.name, questions: task.questions.count, leftOut: task.leftOut, isAtChance: isAtChance,
      isFurtherFilter: task.isFurther, metrics: results)
  }

  private static func result(
    _ metric: PairedMetric, _ figures: [Resampled], _ task: PairedTask, _ pairing: QualityPairing, chance: Double?,
    isAtChance: Bool
  ) -> QualityMetric {
    QualityMetric(
      metric: metric.name, unit: metric.unit, higherIsBetter: metric.higherIsBetter, chance: chance,
      isAtChance: isAtChance,
      values: zip(pairing.names, figures).map { name, figure in
        let isShownAsIs = metric.shown(figure.value) == figure.value
        return QualityValue(
          arm: name, value: metric.shown(figure.value), stderr: isShownAsIs ? figure.standardError : nil)
      },
      differences: pairing.others.map { arm in
        pairing.difference(
          arm, figures, higherIsBetter: metric.higherIsBetter,
          flips: metric.isRight ? flips(task, metric, arm, pairing.reference) : nil,
          isSingle: task.answers[arm].count == 1 && task.answers[pairing.reference].count == 1)
      })
  }

  /// Questions of which a larger share of runs is right in the arm than in the reference, and the other way round.
  private static func flips(
    _ task: PairedTask, _ metric: PairedMetric, _ arm: Int, _ reference: Int
  ) -> (gained: Int, lost: Int, all: Int) {
    let changes = task.questions.indices.map { task.share(metric, arm, $0) - task.share(metric, reference, $0) }
    return (changes.count { $0 > 0 }, changes.count { $0 < 0 }, changes.count)
  }

  /// The accuracy of guessing, the mean of 1 / choices; nil where a question has no choices.
  private static func chance(_ task: PairedTask) -> Double? {
    let counts = task.answers[0][0].map { $0.wording.choices.count }
    guard counts.allSatisfy({ $0 > 1 }) else { return nil }
    return counts.reduce(0) { $0 + 1 / Double($1) } / Double(counts.count)
  }

  /// Whether no run is shown to do better than guessing, at 5 % for all runs together (Bonferroni); of free answers,
  /// whether no run has a single one right.
  private static func isGuessing(_ task: PairedTask, _ metric: PairedMetric, _ chance: Double?) -> Bool {
    guard metric.isRight else { return false }
    let runs = task.answers.flatMap(\.self)
    guard metric.isChoice, let chance else {
      return runs.allSatisfy { $0.allSatisfy { $0.values[metric.name] == .number(0) } }
    }
    return runs.allSatisfy { answers in
      let right = answers.count { $0.values[metric.name] == .number(1) }
      let p = PairedTests.guessing(right: right, of: answers.count, chance: chance)
      return p * Double(runs.count) >= QualityPairing.level
    }
  }

  /// The log-likelihood of the right choice; nil where the files do not say which one that is.
  private static func gold(_ task: PairedTask, _ pairing: QualityPairing) -> [Resampled]? {
    // One run may not know the right choice that another knows: WinoGrande's is told from `acc`.
    let known = task.questions.indices.map { question in
      task.answers.joined().lazy.compactMap { $0[question].wording.gold }.first
    }
    let places = known.compactMap(\.self)
    guard places.count == known.count else { return nil }
    for (question, place) in places.enumerated() {
      let values = task.answers.joined().lazy.map { $0[question].wording.logLikelihoods }
      guard values.allSatisfy({ $0.indices.contains(place) && $0[place].isFinite }) else { return nil }
    }
    return pairing.figures(task) { question, answer in (answer.wording.logLikelihoods[places[question]], 1) }
  }
}
