/// The inequality on one set's devices that is strongest at fractional pairs, out of two families over its subsets Q:
///
///     C ≥ Σ_{j ∈ Q} φ(n_j),   n_j = 1 + Σ_{l ∈ Q, l ≠ j} y_jl       expert by expert
///     C ≥ h(s),   s = Σ_{j < l ∈ Q} y_jl                            h: the lower convex hull of (s, C) over splits of Q
///
/// A set has no fewer devices than a subset of it. On the whole set alone, a mean over good placements looks as if all
/// experts were spread evenly, which no placement does; a Q of experts that always part sees through that.
struct SetInequality {
  /// Most experts of a set whose subsets are all looked at.
  static let mostExperts = 10

  /// C ≥ intercept − slope · s.
  struct Line: Equatable {
    let intercept, slope: Double
  }

  let topK: Int
  /// `[topK, topK]`: y of the set's pairs; the diagonal is not read.
  var near: [Double]
  /// Q, as bits.
  private(set) var members = 0
  /// C ≥ constant − Σ_{j ∈ Q} slopes[j] · Σ_{l ∈ Q, l ≠ j} y_jl
  private(set) var constant = 0.0
  /// `[topK]`; 0 outside Q.
  private(set) var slopes: [Double]

  /// By size of Q.
  private let lines: [[Line]]
  /// By subset: its pairs.
  private var pairs: [Double]
  /// By size: the subset with fewest pairs.
  private var fewest: [Int]

  /// For sets of k experts on D devices that hold at most `room` experts each.
  init(topK: Int, devices: Int, room: Int) {
    self.topK = topK
    near = [Double](repeating: 0, count: topK * topK)
    slopes = [Double](repeating: 0, count: topK)
    lines = (0...topK).map { Self.lines(experts: $0, devices: devices, room: room) }
    fewest = [Int](repeating: 0, count: topK + 1)
    pairs = [Double](repeating: 0, count: 1 << min(topK, Self.mostExperts))
  }

  /// The lower convex hull of C over s for q experts: C devices have at least the pairs of the most even split.
  static func lines(experts q: Int, devices: Int, room: Int) -> [Line] {
    let fewest = (q + room - 1) / room
    // By falling C, thus by rising s.
    let points = (fewest...max(fewest, min(devices, q))).reversed().map { c in
      let (each, more) = c == 0 ? (0, 0) : (q / c, q % c)
      return (s: Double((c * each * (each - 1)) / 2 + more * each), c: Double(c))
    }
    var hull: [(s: Double, c: Double)] = []
    for point in points {
      while hull.count > 1 {
        let (a, b) = (hull[hull.count - 2], hull[hull.count - 1])
        if (b.c - a.c) * (point.s - a.s) < (point.c - a.c) * (b.s - a.s) { break }
        hull.removeLast()
      }
      hull.append(point)
    }
    let falling = zip(hull, hull.dropFirst()).map { a, b in
      let slope = (a.c - b.c) / (b.s - a.s)
      return Line(intercept: a.c + slope * a.s, slope: slope)
    }
    return falling + [Line(intercept: Double(fewest), slope: 0)]
  }

  /// Finds the strongest at `near`.
  mutating func choose() {
    let whole = 1 << topK - 1
    var strongest = spread(whole)
    guard topK <= Self.mostExperts else { return }
    let (subset, line, value) = evenest()
    if subset != whole {
      let (kept, keptSlopes) = ((members, constant), slopes)
      let other = spread(subset)
      if other > strongest {
        strongest = other
      } else {
        ((members, constant), slopes) = (kept, keptSlopes)
      }
    }
    if value > strongest {
      (members, constant) = (subset, line.intercept)
      for a in 0..<topK { slopes[a] = subset >> a & 1 == 1 ? line.slope / 2 : 0 }
    }
  }

  /// The first family on Q: sets the inequality, and returns its value at `near`.
  private mutating func spread(_ subset: Int) -> Double {
    (members, constant) = (subset, 0)
    var value = 0.0
    for a in 0..<topK {
      slopes[a] = 0
      guard subset >> a & 1 == 1 else { continue }
      var n = 1.0
      for b in 0..<topK where b != a && subset >> b & 1 == 1 { n += near[a * topK + b] }
      // 1/n ≥ (2r + 1 − n) / (r (r + 1)) for every whole r, with equality at n = r and r + 1.
      let r = max(1, (n + 1e-9).rounded(.down))
      slopes[a] = 1 / (r * (r + 1))
      constant += 2 * r * slopes[a]
      value += (2 * r + 1 - n) * slopes[a]
    }
    return value
  }

  /// The best of the second family over all Q: of each size, the Q with fewest pairs.
  private mutating func evenest() -> (subset: Int, line: Line, value: Double) {
    let k = topK
    pairs.withUnsafeMutableBufferPointer { pairs in
      near.withUnsafeBufferPointer { near in
        fewest.withUnsafeMutableBufferPointer { fewest in
          for subset in 1..<1 << k {
            let high = Int.bitWidth - 1 - subset.leadingZeroBitCount
            let low = subset.trailingZeroBitCount
            let (withoutHigh, withoutLow) = (subset ^ 1 << high, subset & (subset - 1))
            let count =
              high == low
              ? 0 : pairs[withoutHigh] + pairs[withoutLow] - pairs[withoutHigh & withoutLow] + near[low * k + high]
            pairs[subset] = count
            let size = subset.nonzeroBitCount
            if fewest[size] == 0 || count < pairs[fewest[size]] { fewest[size] = subset }
          }
        }
      }
    }
    var best = (subset: 0, line: Line(intercept: 0, slope: 0), value: 0.0)
    for size in 1...k {
      for line in lines[size] {
        let value = line.intercept - line.slope * pairs[fewest[size]]
        if value > best.value { best = (fewest[size], line, value) }
      }
      fewest[size] = 0
    }
    return best
  }
}
