/// What the numbers say, in a headline and three to five paragraphs of plain words.
///
/// For the largest and the smallest limit under which an arm was trained: one paragraph on what the limit costs in
/// quality and saves in communication and whether that is non-inferior, one on whether training under it helped over applying it afterwards. A last
/// sentence says how far all this reaches. Where several arms share a limit, the first in the table is meant.
struct Verdict {
  let run: RunFacts
  let results: [CellResult]

  private var reference: CellResult? { results.first(where: \.isReference) }

  /// The cells that the verdict speaks of, evaluated as they were trained, by falling limit.
  private var trained: [CellResult] {
    let matched = results.filter { $0.isMatched && $0.trainedLimit != nil && $0.difference != nil }
    let limits = Set(matched.compactMap(\.trainedLimit))
    return Set([limits.max(), limits.min()].compactMap { $0 }).sorted(by: >).compactMap { limit in
      matched.first { $0.trainedLimit == limit }
    }
  }

  /// The verdict in one line.
  var headline: String {
    guard let reference, !trained.isEmpty else { return "Nothing to compare with a limit" }
    let parts = trained.map { cell -> String in
      let quality =
        switch cell.difference?.outcome {
        case .better: "loss \(Numbers.fixed(abs(cell.difference?.mean ?? 0), 3)) lower"
        case .worse: "loss \(Numbers.fixed(abs(cell.difference?.mean ?? 0), 3)) higher"
        case .noneShown, nil: "no difference in loss shown"
        }
      return "\(cell.trainedLimit ?? 0) of \(run.devices) devices: \(quality), \(saving(cell, reference))"
    }
    return parts.joined(separator: ". ") + "."
  }

  /// The verdict in sentences.
  var sentences: [String] {
    guard let reference else {
      return ["There is no standard checkpoint evaluated without a limit, so nothing can be compared with it."]
    }
    guard !trained.isEmpty else {
      return ["No checkpoint was trained under a limit and evaluated under it, so the question stays open.", scope()]
    }
    return trained.map { cost($0, reference) + margin($0) } + trained.map(training) + [scope()]
  }

  /// What a limit costs in quality and saves in communication.
  private func cost(_ cell: CellResult, _ reference: CellResult) -> String {
    guard let difference = cell.difference, let limit = cell.trainedLimit else { return "" }
    let subject = "With at most \(limit) of \(run.devices) devices per token, "
    let standard = "the standard \(noun) without a limit"
    let traffic =
      "\(saving(cell, reference)) (compute imbalance \(Numbers.fixed(cell.communication.imbalanceRows, 2)) "
      + "against \(Numbers.fixed(reference.communication.imbalanceRows, 2)))"
    return switch difference.outcome {
    case .better:
      subject + "\(noun) '\(cell.arm)' predicts the target text better than \(standard), by "
        + "\(amount(difference)) nats per token (\(size(difference))), and sends \(traffic)."
    case .worse:
      subject + "\(noun) '\(cell.arm)' predicts the target text worse than \(standard), by "
        + "\(amount(difference)) nats per token (\(size(difference))), and sends \(traffic)."
    case .noneShown:
      subject + "no difference is shown between \(noun) '\(cell.arm)' and \(standard) "
        + "(\(Numbers.signed(difference.mean, 4)) nats per token, \(interval(difference)); "
        + "\(Numbers.fixed(difference.detectable, 4)) could have been detected), and it sends \(traffic)."
    }
  }

  /// Whether the cost is within the margin, behind the sentence on cost.
  private func margin(_ cell: CellResult) -> String {
    guard let statement = cell.nonInferiority else { return "" }
    return " " + statement.sentence("\(noun) '\(cell.arm)'", digits: 4, unit: "nats per token")
  }

  /// Whether training under a limit helped over applying it afterwards.
  private func training(_ cell: CellResult) -> String {
    guard let limit = cell.trainedLimit, let effect = cell.trainingEffect else {
      return "Whether training under L = \(Numbers.limit(cell.trainedLimit)) helped cannot be said: the standard "
        + "\(noun) was not evaluated under that limit."
    }
    let against = "against applying the limit to the standard \(noun) afterwards"
    let share =
      if let recovery = cell.recovery {
        "it recovers \(Numbers.percent(recovery.mean)) of what the limit cost "
          + "(\(Numbers.percent(recovery.low)) to \(Numbers.percent(recovery.high)))"
      } else {
        "recovery is undefined, as the limit applied afterwards is not shown to cost anything"
      }
    return switch effect.outcome {
    case .better:
      "Training under L = \(limit) helped: it lowers the loss by \(amount(effect)) (\(size(effect))) \(against); \(share)."
    case .worse:
      "Training under L = \(limit) hurt: it raises the loss by \(amount(effect)) (\(size(effect))) \(against); \(share)."
    case .noneShown:
      "Training under L = \(limit) is not shown to differ from applying the limit to the standard \(noun) "
        + "afterwards (\(Numbers.signed(effect.mean, 4)), \(interval(effect)); "
        + "\(Numbers.fixed(effect.detectable, 4)) could have been detected); \(share)."
    }
  }

  private var seedCount: Int { results.map(\.seedLosses.count).max() ?? 1 }

  /// What is compared: a file, or what several seeds have in common.
  private var noun: String { seedCount == 1 ? "checkpoint" : "arm" }

  /// How far the verdict reaches.
  private func scope() -> String {
    let arms = Set(results.filter(\.fineTuned).map(\.arm)).count
    let count = seedCount
    let seeds = count == 1 ? "one seed" : "\(count) seeds each"
    let others = count == 1 ? "another seed" : "other models and data"
    let documents = results.first?.documents ?? 0
    let checkpoints =
      switch arms {
      case 1: "this \(noun)"
      case 2: "these two \(noun)s"
      case 3: "these three \(noun)s"
      case 4: "these four \(noun)s"
      default: "these \(arms) \(noun)s"
      }
    return "All of this describes \(checkpoints), trained from \(seeds), on \(Numbers.grouped(documents)) documents"
      + (gain ? "; \(others) may differ." : ", and standard fine-tuning is not shown to improve on the base.")
  }

  /// Whether standard fine-tuning is shown to improve on the base, or there is no base to say so.
  private var gain: Bool {
    guard let base = results.first(where: { !$0.fineTuned && $0.evaluatedLimit == nil })?.difference else {
      return true
    }
    return base.low > 0
  }

  private func amount(_ difference: Difference) -> String { Numbers.fixed(abs(difference.mean), 4) }

  /// The interval of a difference whose direction the sentence has named.
  private func size(_ difference: Difference) -> String {
    let ends = [abs(difference.low), abs(difference.high)].sorted()
    return "95 % interval \(Numbers.fixed(ends[0], 4)) to \(Numbers.fixed(ends[1], 4))"
  }

  private func interval(_ difference: Difference) -> String {
    "95 % interval \(Numbers.signed(difference.low, 4)) to \(Numbers.signed(difference.high, 4))"
  }

  private func saving(_ cell: CellResult, _ reference: CellResult) -> String {
    Numbers.traffic(cell.communication.bytes, against: reference.communication.bytes)
  }
}
