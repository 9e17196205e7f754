/// Evaluations of several arms, paired question by question with one of them, the reference.
///
/// Every task has one *primary* metric, which counts for the verdict: `acc_norm` where there is one, else `acc`, else a
/// perplexity. Tasks whose primary accuracy no run is shown to do better on than guessing are *at chance level*: they are
/// marked, left out of the mean, and the log-likelihood of the right choice, or of the right words, is compared in place
/// of the accuracy.
public struct QualityComparison: Equatable, Sendable {
  /// How the intervals were made.
  public let bootstrap: Bootstrap
  /// What the arms are.
  public let arms: [QualityArm]
  /// The arm that all others are compared with.
  public let reference: String
  /// The arm that was not fine-tuned; nil where it was not named.
  public let base: String?
  /// One entry for every task that all runs have.
  public let tasks: [QualityTask]
  /// The mean over tasks with a right-or-wrong metric that are not at chance level; nil where there are fewer than two.
  public let mean: QualityMetric?
  /// Tasks that only some runs have.
  public let loneTasks: [String]
  /// Questions that changed, task by task and arm by arm.
  public let flips: [Flip]
  /// What was left out of the files, and what makes runs hard to compare.
  public let notes: [String]
  /// The verdict in a line, then in sentences.
  public let headline: String
  /// One paragraph an arm, then what was left out, and how far all this reaches.
  public let verdict: [String]

  init(
    bootstrap: Bootstrap, arms: [QualityArm], reference: String, base: String?, tasks: [QualityTask],
    mean: QualityMetric?, loneTasks: [String], flips: [Flip], notes: [String] = [], headline: String = "",
    verdict: [String] = []
  ) {
    (self.bootstrap, self.arms, self.reference, self.base, self.tasks) = (bootstrap, arms, reference, base, tasks)
    (self.mean, self.loneTasks, self.flips, self.notes) = (mean, loneTasks, flips, notes)
    (self.headline, self.verdict) = (headline, verdict)
  }

  /// Compares arms.
  ///
  /// - Parameters:
  ///   - arms: At least two; each has as many runs as the others, or one.
  ///   - reference: The arm that the others are compared with: standard fine-tuning.
  ///   - base: The arm that was not fine-tuned; nil where there is none.
  ///   - margin: How much worse than the reference is acceptable; a share of the gain needs the base.
  ///   - bootstrap: How often to resample, and from which seed.
  /// - Throws: ``PairingError`` that names runs which cannot be paired.
  public init(
    _ arms: [ComparedArm], reference: String, base: String? = nil, margin: Margin = .standard,
    bootstrap: Bootstrap = Bootstrap()
  ) throws(PairingError) {
    let places = try Self.check(arms, reference, base, bootstrap)
    let (paired, lone, notes) = try PairedTask.pair(arms)
    let pairing = QualityPairing(
      names: arms.map(\.name), reference: places.reference, base: places.base, margin: margin, bootstrap: bootstrap)
    var drafts = paired.map { TaskDraft($0, pairing) }
    let mean = pairing.mean(drafts)
    pairing.correct(&drafts)
    let flips = drafts.flatMap { draft -> [Flip] in
      guard let metric = draft.flipMetric else { return [] }
      return arms.indices.filter { $0 != places.reference }.flatMap {
        Flip.all(draft.task, metric, arm: ($0, arms[$0].name), reference: places.reference)
      }
    }
    let plain = QualityComparison(
      bootstrap: bootstrap, arms: arms.map(QualityArm.init), reference: reference, base: base,
      tasks: drafts.map(\.result), mean: mean, loneTasks: lone, flips: flips)
    let verdict = QualityVerdict(plain)
    self.init(
      bootstrap: bootstrap, arms: plain.arms, reference: reference, base: base, tasks: plain.tasks, mean: mean,
      loneTasks: lone, flips: flips, notes: notes, headline: verdict.headline, verdict: verdict.sentences)
  }

  private static func check(
    _ arms: [ComparedArm], _ reference: String, _ base: String?, _ bootstrap: Bootstrap
  ) throws(PairingError) -> (reference: Int, base: Int?) {
    guard bootstrap.draws >= 100 else { throw .draws(found: bootstrap.draws) }
    let names = arms.map(\.name)
    let list = names.joined(separator: ", ")
    guard arms.count >= 2 else { throw .arm(place: "compare", expected: "at least 2 arms", found: "\(arms.count)") }
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      throw .arm(place: name, expected: "every arm once", found: "the name twice")
    }
    func place(_ name: String, _ role: String) throws(PairingError) -> Int {
      guard let place = names.firstIndex(of: name) else {
        throw .arm(place: role, expected: "one of the arms", found: "'\(name)'", hint: "one of \(list)")
      }
      return place
    }
    let standard = try place(reference, "--standard")
    let origin: Int? = if let base { try place(base, "--base") } else { nil }
    if let base, base == reference {
      throw .arm(
        place: "--base", expected: "another arm than --standard", found: "'\(base)'",
        hint: "the arm without fine-tuning")
    }
    let seeds = arms.map(\.runs.count).max() ?? 1
    for arm in arms where arm.runs.count != 1 && arm.runs.count != seeds {
      throw .seeds(arm: arm.name, expected: seeds, found: arm.runs.count)
    }
    return (standard, origin)
  }

  /// Most runs of an arm.
  public var seedCount: Int { arms.map(\.runs.count).max() ?? 1 }
}

/// One arm of a comparison.
public struct QualityArm: Codable, Equatable, Sendable {
  /// Its name.
  public let name: String
  /// Where its runs were read from, one a seed.
  public let runs: [String]
  /// Communication, the mean over its runs; nil where one of them did not say.
  public let communication: CommunicationFigures?
  /// Limit under which all of its runs were evaluated; nil for none.
  public let deviceLimit: Int?

  enum CodingKeys: String, CodingKey {
    case name, runs, communication
    case deviceLimit = "device_limit"
  }

  init(_ arm: ComparedArm) {
    name = arm.name
    runs = arm.runs.map(\.path)
    let figures = arm.runs.compactMap(\.communication)
    communication = figures.count == arm.runs.count ? .mean(figures) : nil
    let limits = Set(arm.runs.map(\.deviceLimit))
    deviceLimit = limits.count == 1 ? limits.first ?? nil : nil
  }
}

/// One task of a comparison.
public struct QualityTask: Codable, Equatable, Sendable {
  /// Its name.
  public let task: String
  /// Questions that all runs answered.
  public let questions: Int
  /// Questions that only some runs answered, which are left out.
  public let leftOut: Int
  /// Whether no run is shown to do better than guessing.
  public let isAtChance: Bool
  /// Whether these are the answers of another entry under a further filter: shown, and left out of verdicts and means.
  public let isFurtherFilter: Bool
  /// Its metrics, the primary one first.
  public var metrics: [QualityMetric]

  enum CodingKeys: String, CodingKey {
    case task, questions, metrics
    case leftOut = "left_out"
    case isAtChance = "at_chance"
    case isFurtherFilter = "further_filter"
  }

  /// The metric that counts for the verdict.
  public var primary: QualityMetric { metrics[0] }
}

/// One metric of a task, for all arms.
public struct QualityMetric: Codable, Equatable, Sendable {
  /// Its name, as the harness has it; `gold_logprob` is the log-likelihood of the right choice.
  public let metric: String
  /// Unit of differences: `nats/word` for the logarithm of `word_perplexity`; empty for shares and scores.
  public let unit: String
  /// Whether higher is better.
  public let higherIsBetter: Bool
  /// Accuracy of guessing; nil where that is not known.
  public let chance: Double?
  /// Whether no run is shown to do better than that.
  public let isAtChance: Bool
  /// The figure of every arm: a perplexity as such.
  public let values: [QualityValue]
  /// Every other arm against the reference.
  public var differences: [QualityDifference]

  enum CodingKeys: String, CodingKey {
    case metric, unit, chance, values, differences
    case higherIsBetter = "higher_is_better"
    case isAtChance = "at_chance"
  }

  /// Decimals of its differences.
  var digits: Int { unit.isEmpty ? 3 : 4 }

  /// A figure in words.
  func words(_ value: Double) -> String {
    metric.hasSuffix("perplexity") ? Numbers.perplexity(value) : Numbers.fixed(value, abs(value) < 10 ? digits : 2)
  }

  /// The figure of an arm.
  public func value(_ arm: String) -> QualityValue? { values.first { $0.arm == arm } }

  /// An arm against the reference.
  public func difference(_ arm: String) -> QualityDifference? { differences.first { $0.arm == arm } }
}

/// The figure of one arm.
public struct QualityValue: Codable, Equatable, Sendable {
  /// Name of the arm.
  public let arm: String
  /// The figure, the mean over runs.
  public let value: Double
  /// Its standard error by resampling; nil for perplexities, whose logarithm has one.
  public let stderr: Double?
}

/// One arm against the reference under one metric.
public struct QualityDifference: Codable, Equatable, Sendable {
  /// What a difference shows.
  public enum Verdict: String, Codable, Sendable {
    /// Better, after correction for the number of comparisons.
    case better
    /// Worse, after that correction.
    case worse
    /// Neither is shown, which does not say that both are equal.
    case noneShown = "no_difference_shown"
  }

  /// Name of the arm.
  public let arm: String
  /// Arm − reference, in the metric's unit, with its 95 % interval and what could have been detected.
  public let difference: Difference
  /// p-value of "no difference".
  public let pValue: Double
  /// `mcnemar` (exact) for one run each and right-or-wrong answers, else `bootstrap`.
  public let test: String
  /// Holm's correction over all primary metrics and arms; nil for other metrics.
  public var adjusted: Double?
  /// What the corrected p-value says; nil for other metrics.
  public var verdict: Verdict?
  /// Questions won and lost against the reference; nil where answers are not right or wrong.
  public let gained: Int?, lost: Int?
  /// Whether the arm is not worse by more than the margin; nil for the base, or without a base and a fixed margin.
  public let nonInferiority: NonInferiority?

  enum CodingKeys: String, CodingKey {
    case arm, difference, test, adjusted, verdict, gained, lost
    case pValue = "p"
    case nonInferiority = "non_inferiority"
  }
}
