internal import Formats
internal import Profiles
internal import Routing

/// What more text would bring: E[C_T] on held-out documents against the tokens that the placement was fitted on.
public struct LearningCurve: Sendable, Equatable, Encodable {
  /// A placement fitted on so many tokens.
  public struct Point: Sendable, Equatable, Encodable {
    /// Recorded tokens that it was fitted on.
    public let tokens: Int
    /// E[C_T] on these.
    public let inSample: Double
    /// E[C_T] on the held-out tokens.
    public let heldOut: Double

    enum CodingKeys: String, CodingKey {
      case tokens
      case inSample = "in_sample"
      case heldOut = "held_out"
    }
  }

  /// What to do.
  public enum Verdict: String, Sendable, Equatable, Encodable {
    /// More text may still lower C_T by more than 1 % of that of contiguous groups.
    case more = "profile more"
    /// It would not.
    case enough
  }

  /// Tokens that all points are judged on: a quarter of the documents, or of blocks of 200 tokens.
  public let heldOutTokens: Int
  /// E[C_T] of contiguous groups on them.
  public let contiguous: Double
  /// From a sixteenth of the other tokens to all of them, each point on twice the tokens of the one before.
  public let points: [Point]
  /// What the last doubling brought on the held-out tokens, as a share of `contiguous`, with its 95 % interval by unit.
  public let lastDoubling, lastDoublingLow, lastDoublingHigh: Double
  /// About what unlimited text would bring, as a share of `contiguous`: half of how much better the placement is on its
  /// own text than on the held-out one. The optimum for all text lies between the two: the placement is as much better
  /// than that on its own text as it is worse on other text. (Doublings alone do not tell: a search also ends in better
  /// or worse optima.)
  public let remaining: Double
  /// The upper end of its 95 % interval, by unit.
  public let remainingHigh: Double
  /// The conclusion.
  public let verdict: Verdict

  /// Share of the C_T of contiguous groups below which more text is not worth its time.
  public static let worthwhile = 0.01

  enum CodingKeys: String, CodingKey {
    case contiguous, points, remaining, verdict
    case heldOutTokens = "held_out_tokens"
    case remainingHigh = "remaining_high"
    case lastDoubling = "last_doubling"
    case lastDoublingLow = "last_doubling_low"
    case lastDoublingHigh = "last_doubling_high"
  }

  /// Fits and judges; `nil` where there are fewer than 8 documents or blocks.
  ///
  /// - Parameters:
  ///   - layer: with recorded sets.
  ///   - options: how.
  /// - Throws: `PlacementError` where no placement can be fitted.
  init?(_ layer: LayerProfile, _ options: AnalysisOptions) throws(PlacementError) {
    var units = layer.units
    guard units.count >= LayerProfile.leastUnits else { return nil }
    var generator = SplitMix64(seed: options.placement.seed, item: layer.layer)
    generator.shuffle(&units)
    let held = Array(units.prefix(max(2, units.count / 4)))
    let training = Array(units.dropFirst(held.count))
    let heldOut = layer.part(held)
    let trainingTokens = training.reduce(0) { $0 + $1.count }
    let devices = options.devices
    let plain = PlacementMethod.contiguous(experts: layer.experts, devices: devices)

    var points: [Point] = []
    var placements: [[Int]] = []
    var trainingPlain = 0.0
    for divisor in [16, 8, 4, 2, 1] {
      var chosen: [ArraySlice<Int>] = []
      var tokens = 0
      for unit in training where tokens * divisor < trainingTokens {
        // The last unit is cut, so that a point has its tokens exactly.
        let count = min(unit.count, (trainingTokens + divisor - 1) / divisor - tokens)
        chosen.append(unit.prefix(count))
        tokens += count
      }
      let part = layer.part(chosen)
      let placement = try options.method.place(part, devices: devices, options: options.placement)
      placements.append(placement)
      points.append(
        Point(
          tokens: part.recorded, inSample: part.devicesPerToken(placement, devices: devices),
          heldOut: heldOut.devicesPerToken(placement, devices: devices)))
      trainingPlain = part.devicesPerToken(plain, devices: devices)
    }
    contiguous = heldOut.devicesPerToken(plain, devices: devices)
    heldOutTokens = heldOut.recorded
    self.points = points

    let (last, placement) = (points[points.count - 1], placements[placements.count - 1])
    let difference = UnitMean(
      held.map { unit in
        let part = layer.part([unit])
        let change =
          part.deviceRows(placements[placements.count - 2], devices: devices)
          - part.deviceRows(placement, devices: devices)
        return (sum: Double(change), count: unit.count)
      })
    lastDoubling = difference.mean / contiguous
    lastDoublingLow = (difference.mean - difference.margin) / contiguous
    lastDoublingHigh = (difference.mean + difference.margin) / contiguous
    // Contiguous groups cost more on some text than on other: each side is measured by them.
    func share(_ units: [[Int]], _ share: Double) -> UnitMean {
      UnitMean(
        units.map { unit in
          let part = layer.part([unit])
          let rows = Double(part.deviceRows(placement, devices: devices))
          return (sum: rows - share * Double(part.deviceRows(plain, devices: devices)), count: unit.count)
        })
    }
    let (outside, inside) = (last.heldOut / contiguous, last.inSample / trainingPlain)
    let margins = (share(held, outside).margin / contiguous, share(training, inside).margin / trainingPlain)
    let margin = (margins.0 * margins.0 + margins.1 * margins.1).squareRoot()
    remaining = max((outside - inside) / 2, 0)
    remainingHigh = max((outside - inside + margin) / 2, 0)
    verdict = remainingHigh > Self.worthwhile ? .more : .enough
  }
}

/// A mean per token over units of unequal size, with a 95 % interval from how much units differ.
///
///     m = Σ s_u / Σ n_u,   margin = 1.96 · √(U/(U−1) · Σ (s_u − m·n_u)²) / Σ n_u
///
/// - Source: Cochran 1977, Sampling Techniques, section 6.5 (ratio estimator).
struct UnitMean {
  let mean: Double
  /// Half the interval; infinite for fewer than two units.
  let margin: Double

  init(_ units: [(sum: Double, count: Int)]) {
    let tokens = Double(max(units.reduce(0) { $0 + $1.count }, 1))
    let mean = units.reduce(0.0) { $0 + $1.sum } / tokens
    let squares = units.reduce(0.0) { sum, unit in
      let rest = unit.sum - mean * Double(unit.count)
      return sum + rest * rest
    }
    let count = Double(units.count)
    self.mean = mean
    margin = count > 1 ? 1.96 * (count / (count - 1) * squares).squareRoot() / tokens : .infinity
  }
}
