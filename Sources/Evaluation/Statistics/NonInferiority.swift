/// How much worse than standard fine-tuning is still acceptable.
public enum Margin: Equatable, Sendable {
  /// A share of what standard fine-tuning gained over the base, 0…1.
  case share(Double)
  /// A difference in the figure's own unit: nats for losses, a share of questions for accuracies.
  case absolute(Double)

  /// A tenth of the gain.
  public static let standard = Margin.share(0.1)

}

/// Whether a run is not worse than standard fine-tuning by more than a margin.
///
///     harm = how much worse than standard       gain = how much better standard is than the base
///     non-inferior  ⇔  upper bound of (harm − margin) < 0       margin = share · gain, or fixed
///     kept = 1 − harm / gain
///
/// The bound is one-sided, 95 %; a margin that is a share of the gain is resampled with it, so its own uncertainty counts
/// (the synthesis method). "No difference shown" says that a study was too small to see one; this says that a difference
/// of the margin's size was looked for and ruled out.
///
/// - Source: Rothmann et al., *Design and analysis of non-inferiority mortality trials in oncology*, Statistics in Medicine
///   22 (2003).
public struct NonInferiority: Codable, Equatable, Sendable {
  /// What the bounds show.
  public enum Outcome: String, Codable, Sendable {
    /// Not worse by more than the margin.
    case nonInferior = "non_inferior"
    /// Worse by more than the margin.
    case inferior
    /// The bounds lie on both sides of the margin.
    case notShown = "not_shown"
    /// Standard fine-tuning is not shown to gain anything, so there is nothing to keep a share of.
    case uninformative
  }

  /// What the bounds show.
  public let outcome: Outcome
  /// The margin in the figure's unit: what is left of the share after multiplying by the gain, or the fixed number.
  public let margin: Double
  /// The margin as a share of the gain; `nil` for a fixed one.
  public let marginShare: Double?
  /// How much worse than standard, in the figure's unit; below 0 where better.
  public let harm: Double
  /// One-sided 95 % upper bound of `harm`.
  public let harmAtMost: Double
  /// How much better standard is than the base; `nil` when the base is not known.
  public let gain: Difference?
  /// Share of the gain that is kept; `nil` where there is no clear gain.
  public let kept: Double?
  /// One-sided 95 % lower bound of `kept`; `nil` where it is unbounded or there is no clear gain.
  public let keptAtLeast: Double?

  enum CodingKeys: String, CodingKey {
    case outcome, margin, harm, gain, kept
    case marginShare = "margin_share"
    case harmAtMost = "harm_at_most"
    case keptAtLeast = "kept_at_least"
  }

  /// The statement on one run: `harm` is positive where it is worse than standard, `gain` where standard is better than the
  /// base; without a gain only a fixed margin says anything.
  init(harm: Resampled, gain: Resampled?, margin: Margin) {
    self.harm = harm.value
    harmAtMost = harm.upper
    self.gain = gain.map(Difference.init)
    let isClear = (self.gain?.low ?? 0) > 0
    kept = isClear ? gain.map { 1 - harm.value / $0.value } : nil
    keptAtLeast = isClear ? gain.flatMap { Self.keptAtLeast(harm, $0) } : nil
    switch margin {
    case .absolute(let value):
      (self.margin, marginShare) = (value, nil)
      outcome = harm.upper < value ? .nonInferior : harm.lower > value ? .inferior : .notShown
    case .share(let share):
      (self.margin, marginShare) = (share * (gain?.value ?? 0), share)
      guard isClear, let gain else {
        outcome = .uninformative
        return
      }
      let excess = harm - share * gain
      outcome = excess.upper < 0 ? .nonInferior : excess.lower > 0 ? .inferior : .notShown
    }
  }

  /// The smallest share of the gain that may be given up before the bound of harm − share · gain reaches 0: with it the
  /// statement about any margin can be read off, and never disagrees with `outcome`.
  private static func keptAtLeast(_ harm: Resampled, _ gain: Resampled) -> Double? {
    var (low, high) = (-8.0, 8.0)
    guard (harm - high * gain).upper < 0, (harm - low * gain).upper > 0 else { return nil }
    for _ in 0..<30 {
      let middle = (low + high) / 2
      if (harm - middle * gain).upper < 0 { high = middle } else { low = middle }
    }
    return 1 - high
  }

  /// The outcome in two or three words.
  var words: String {
    switch outcome {
    case .nonInferior: "non-inferior"
    case .inferior: "inferior"
    case .notShown: "not shown"
    case .uninformative: "uninformative"
    }
  }

  /// The statement as a sentence.
  ///
  /// - Parameters:
  ///   - subject: Of whom, as `arm 'L2'`.
  ///   - place: On what, as `on the mean of 3 tasks`; nil where that is clear.
  ///   - digits: Decimals of harm.
  ///   - unit: Unit of harm; empty for shares.
  /// - Returns: The sentence, without a blank in front.
  func sentence(_ subject: String, _ place: String? = nil, digits: Int, unit: String) -> String {
    let whole = place.map { "\($0) \(subject)" } ?? subject
    guard let shown = Self.statements[outcome] else {
      return
        "Whether \(whole) is non-inferior cannot be said (uninformative): standard fine-tuning is not shown to gain "
        + "anything over the base."
    }
    guard let share = marginShare, let kept else {
      let amount = Numbers.signed(harmAtMost, digits) + (unit.isEmpty ? "" : " \(unit)")
      return "\(whole.capitalizedFirst) is worse than standard by at most \(amount) (one-sided 95 %): \(shown), with a "
        + "margin of \(Numbers.fixed(margin, digits))."
    }
    let bound = keptAtLeast.map { "at least \(Numbers.share($0))" } ?? "no lower bound"
    return "\(whole.capitalizedFirst) keeps \(Numbers.share(kept)) of what standard fine-tuning gained over the base "
      + "(\(bound), one-sided 95 %): \(shown), with a margin of \(Numbers.percent(share)) of the gain."
  }

  private static let statements: [Outcome: String] = [
    .nonInferior: "it is non-inferior", .inferior: "it is inferior", .notShown: "non-inferiority is not shown",
  ]
}

extension String {
  /// The text with its first letter in upper case.
  var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
