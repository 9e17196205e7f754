extension PlacementBound {
  /// A valid bound Σ_t w_t C_T(t) ≥ constant − ⟨weights, Y⟩ for the Y of every placement.
  struct Tangent {
    var constant = 0.0
    /// `[E, E]`, symmetric, ≥ 0, zero diagonal.
    var weights: [Double]

    /// Half way between two valid bounds lies a third.
    func mean(with other: Tangent) -> Tangent {
      Tangent(
        constant: (constant + other.constant) / 2, weights: zip(weights, other.weights).map { ($0 + $1) / 2 })
    }

    /// Of sets that are divided into parts.
    static func sum(_ parts: [Tangent]) -> Tangent {
      parts.dropFirst().reduce(into: parts[0]) { sum, part in
        sum.constant += part.constant
        for slot in sum.weights.indices { sum.weights[slot] += part.weights[slot] }
      }
    }
  }

  /// For every set the strongest inequality that `SetInequality` knows at `y`, added up over `rows`.
  func tangent(at y: [Double], rows: some Sequence<Int>) -> Tangent {
    let (e, k) = (sets.experts, sets.topK)
    var tangent = Tangent(weights: [Double](repeating: 0, count: e * e))
    var inequality = SetInequality(topK: k, devices: devices, room: room)
    for row in rows {
      let first = row * k
      for a in 0..<k {
        let j = Int(sets.sets[first + a]) * e
        for b in 0..<k where a != b { inequality.near[a * k + b] = y[j + Int(sets.sets[first + b])] }
      }
      inequality.choose()
      let w = Double(sets.weights[row])
      tangent.constant += w * inequality.constant
      for a in 0..<k where inequality.slopes[a] > 0 {
        let (j, slope) = (Int(sets.sets[first + a]) * e, w * inequality.slopes[a])
        for b in 0..<k where b != a && inequality.members >> b & 1 == 1 {
          tangent.weights[j + Int(sets.sets[first + b])] += slope
        }
      }
    }
    for j in 0..<e {
      for l in j + 1..<max(e, j + 1) {
        let mean = (tangent.weights[j * e + l] + tangent.weights[l * e + j]) / 2
        (tangent.weights[j * e + l], tangent.weights[l * e + j]) = (mean, mean)
      }
    }
    return tangent
  }
}
