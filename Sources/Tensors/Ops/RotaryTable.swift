internal import Foundation

/// Which two values of a head are rotated together.
public enum RotaryPairing: Sendable, Equatable {
  /// x_i and x_{i + d/2}, as in Llama and its descendants.
  case halves
  /// x_{2i} and x_{2i + 1}, as in DeepSeek-V2.
  case neighbours
}

/// How the angles of a model are stretched to a context longer than it was trained on.
public enum RotaryScaling: Sendable, Equatable {
  /// They are not.
  case none
  /// θ_i / factor: positions are interpolated.
  case linear(factor: Double)
  /// High frequencies stay, low ones are interpolated, between them a ramp.
  case yarn(YaRN)
  /// The same with bounds that are wavelengths.
  case llama3(Llama3Scaling)
}

/// Llama 3.1's: with λ_i = 2π / θ_i and the original context P, θ_i stays where λ_i < P / `highFactor`, is θ_i / factor
/// where λ_i > P / `lowFactor`, and between them
///
///     θ_i (1 - s_i) / factor + θ_i s_i,   s_i = (P / λ_i - lowFactor) / (highFactor - lowFactor)
///
/// - Source: `_compute_llama3_parameters` in transformers.
public struct Llama3Scaling: Sendable, Equatable {
  /// Ratio of the new context to the original.
  public var factor: Double
  /// P, the context that the model was trained on.
  public var originalPositions: Int
  /// Turns within P below which a dimension is interpolated.
  public var lowFactor: Double
  /// Turns within P above which a dimension is left alone; another number than `lowFactor`.
  public var highFactor: Double

  /// Settings; see the properties.
  public init(factor: Double, originalPositions: Int, lowFactor: Double, highFactor: Double) {
    (self.factor, self.originalPositions) = (factor, originalPositions)
    (self.lowFactor, self.highFactor) = (lowFactor, highFactor)
  }

  /// θ_i of every pair.
  func frequencies(_ plain: [Double]) -> [Double] {
    plain.map { theta in
      let turns = Double(originalPositions) * theta / (2 * .pi)
      if turns < lowFactor { return theta / factor }
      if turns > highFactor { return theta }
      let smooth = (turns - lowFactor) / (highFactor - lowFactor)
      return theta * (1 - smooth) / factor + theta * smooth
    }
  }
}

/// YaRN: θ_i (1 - γ_i) / factor + θ_i γ_i, with γ falling from 1 to 0 between the dimensions that turn `betaFast` and
/// `betaSlow` times within the original context.
///
/// - Source: Peng et al. 2023, YaRN, section 3.2; `_compute_yarn_parameters` in transformers for the rounding.
public struct YaRN: Sendable, Equatable {
  /// Ratio of the new context to the original.
  public var factor: Double
  /// Context that the model was trained on.
  public var originalPositions: Int
  /// β_fast, turns above which a dimension is left alone.
  public var betaFast: Double
  /// β_slow, turns below which a dimension is interpolated.
  public var betaSlow: Double
  /// Factor of all cosines and sines.
  public var attentionFactor: Double
  /// Whether the ramp begins and ends at whole dimensions.
  public var truncates: Bool

  /// Settings; see the properties.
  public init(
    factor: Double, originalPositions: Int, betaFast: Double = 32, betaSlow: Double = 1, attentionFactor: Double,
    truncates: Bool = true
  ) {
    (self.factor, self.originalPositions, self.betaFast) = (factor, originalPositions, betaFast)
    (self.betaSlow, self.attentionFactor, self.truncates) = (betaSlow, attentionFactor, truncates)
  }

  /// m(f, s) = 0.1 · s · ln f + 1 for f > 1, else 1: how much hotter attention is for a context stretched by f.
  public static func temperature(factor: Double, scale: Double = 1) -> Double {
    factor > 1 ? 0.1 * scale * log(factor) + 1 : 1
  }

  /// θ_i of every pair of a head of width `d`.
  func frequencies(_ plain: [Double], d: Int, base: Double) -> [Double] {
    func dimension(turns: Double) -> Double {
      Double(d) * log(Double(originalPositions) / (turns * 2 * .pi)) / (2 * log(base))
    }
    let (first, last) = (dimension(turns: betaFast), dimension(turns: betaSlow))
    let low = max(truncates ? first.rounded(.down) : first, 0)
    var high = min(truncates ? last.rounded(.up) : last, Double(d - 1))
    if low == high { high += 0.001 }  // no division by 0
    return plain.enumerated().map { i, theta in
      let ramp = min(max((Double(i) - low) / (high - low), 0), 1)
      return theta / factor * ramp + theta * (1 - ramp)
    }
  }
}

/// Cosines and sines of rotary position embedding.
///
///     θ_i = base^(-2i / d),   cos(p θ_i), sin(p θ_i),   i < d / 2
///
/// Angles are computed as transformers does: θ and p θ in float32, then cos and sin.
/// - Source: Su et al. 2021, RoFormer, eq. 15.
public struct RotaryTable: Sendable {
  let cosines: Storage
  let sines: Storage
  /// Positions 0..<positions have an entry.
  public let positions: Int
  /// d, how many values of a head are rotated.
  public let headDimension: Int
  /// Which two values belong together.
  public let pairing: RotaryPairing

  /// Tabulates `positions` positions.
  ///
  /// - Parameters:
  ///   - headDimension: d, even.
  ///   - base: Base of the geometric series, `rope_theta`.
  ///   - positions: Length of the table.
  ///   - scaling: How angles are stretched.
  ///   - pairing: Which two values belong together.
  public init(
    headDimension: Int, base: Double, positions: Int, scaling: RotaryScaling = .none, pairing: RotaryPairing = .halves
  ) {
    precondition(headDimension % 2 == 0, "RotaryTable: expected an even head dimension, found \(headDimension)")
    let half = headDimension / 2
    (cosines, sines) = (Storage(positions * half), Storage(positions * half))
    (self.positions, self.headDimension, self.pairing) = (positions, headDimension, pairing)
    var frequencies = (0..<half).map { 1 / Double(Float(pow(base, Double(2 * $0) / Double(headDimension)))) }
    var factor = 1.0
    switch scaling {
    case .none: break
    case .linear(let stretch): frequencies = frequencies.map { $0 / stretch }
    case .yarn(let yarn):
      frequencies = yarn.frequencies(frequencies, d: headDimension, base: base)
      factor = yarn.attentionFactor
    case .llama3(let llama): frequencies = llama.frequencies(frequencies)
    }
    let (cosines, sines, theta) = (cosines.floats, sines.floats, frequencies.map(Float.init))
    Parallel.blocks(positions, grain: 1024) { block in
      for position in block {
        for i in 0..<half {
          let angle = Double(Float(position) * theta[i])
          cosines[position * half + i] = Float(cos(angle) * factor)
          sines[position * half + i] = Float(sin(angle) * factor)
        }
      }
    }
  }
}
