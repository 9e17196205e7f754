import Foundation

/// A linear map from values to positions in a picture.
struct Scale {
  /// Values at both ends of the axis.
  let domain: ClosedRange<Double>
  /// Positions of those ends; may fall, as that of a vertical axis does.
  let start: Double
  /// Position of the upper end.
  let end: Double
  /// Values that carry a tick, round numbers.
  let ticks: [Double]
  /// Decimals that tell neighbouring ticks apart.
  let digits: Int

  /// A scale that covers values, its ends moved out to round numbers, with about `count` ticks.
  ///
  /// An empty or constant list of values is widened.
  init(covering values: [Double], from start: Double, to end: Double, ticks count: Int = 5) {
    var low = values.min() ?? 0
    var high = values.max() ?? 1
    if !(high - low > 1e-9 * max(abs(high), abs(low))) { (low, high) = (low - 0.5, high + 0.5) }
    let rough = (high - low) / Double(max(1, count))
    let magnitude = pow(10, floor(log10(rough)))
    let step = [1, 2, 2.5, 5, 10].map { $0 * magnitude }.first { $0 >= rough * 0.999 } ?? rough
    let (first, last) = (floor(low / step + 1e-9), ceil(high / step - 1e-9))
    domain = first * step...last * step
    self.start = start
    self.end = end
    ticks = stride(from: first, through: last, by: 1).map { $0 * step }
    let mantissa = step / magnitude
    digits = max(0, Int(-floor(log10(step))) + (mantissa == 2.5 ? 1 : 0))
  }

  /// The values that an axis should cover so that a few far ones do not squeeze all others: quartiles and three times their
  /// distance on either side (Tukey's outer fences).
  static func fence(_ values: [Double]) -> ClosedRange<Double> {
    let sorted = values.filter(\.isFinite).sorted()
    guard let first = sorted.first, let last = sorted.last else { return 0...0 }
    let (low, high) = (sorted[sorted.count / 4], sorted[sorted.count * 3 / 4])
    let reach = 3 * (high - low)
    return reach > 0 ? low - reach...high + reach : first...last
  }

  /// The position of a value.
  func callAsFunction(_ value: Double) -> Double {
    start + (value - domain.lowerBound) / (domain.upperBound - domain.lowerBound) * (end - start)
  }

  /// A tick's value in words, short for millions.
  func label(_ tick: Double) -> String {
    if domain.upperBound >= 1e6 { return Numbers.fixed(tick / 1e6, 2) + " M" }
    return digits == 0 ? Numbers.grouped(Int(tick.rounded())) : Numbers.fixed(tick, digits)
  }
}

/// Moves labels apart along one axis.
enum Labels {
  /// Positions at least `gap` apart inside `range`, as near as a sweep down and a sweep up bring them to those wanted.
  static func spread(_ wanted: [Double], gap: Double, in range: ClosedRange<Double>) -> [Double] {
    let order = wanted.indices.sorted { (wanted[$0], $0) < (wanted[$1], $1) }
    var places = wanted
    var floor = range.lowerBound
    for index in order {
      places[index] = max(wanted[index], floor)
      floor = places[index] + gap
    }
    var ceiling = range.upperBound
    for index in order.reversed() {
      places[index] = min(places[index], ceiling)
      ceiling = places[index] - gap
    }
    return places
  }
}
