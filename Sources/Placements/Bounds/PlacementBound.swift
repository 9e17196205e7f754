/// A lower bound on Σ C_T that no placement under the same constraints can undercut.
///
/// Let y_jl = 1 where j and l share a device, and n_tj = Σ_{l ∈ t} y_jl the experts that set t has on j's device. Then
///
///     Σ_t w_t C_T(t) = Σ_t w_t Σ_{j ∈ t} φ(n_tj),   φ(n) = 1/n at whole n, linear between them
///
/// which is convex in Y: its tangents, and stronger ones from subsets of t (`SetInequality`), say that Σ_t w_t C_T(t)
/// is at least A − ⟨W, Y⟩ with W ≥ 0, and so does any mean of them. What is left is the most that ⟨W, Y⟩ can be over
/// the matrices of placements: a bound on graph partitioning. Those have Y ⪰ 0, Y_jj = 1, Y ≥ 0, eigenvalues 0 or a
/// device's number of experts, row sums m = E/D, and row sums in load of at most the cap. For any multipliers v, N ≥ 0,
/// μ ≥ 0 therefore
///
///     ⟨W, Y⟩ ≤ Σ_i s_i λ_i(M) − Σ_j v_j + cap · Σ_j μ_j,   M = W + N + diag(v) − (μ ℓᵀ + ℓ μᵀ) / 2
///
/// with s_i = m for the D largest eigenvalues, one of them taken by the constant vector; with slack s_i ≤ m + slack and
/// Σ s_i = E. Multipliers are improved by subgradient steps, tangents follow the mean of the relaxed Y met on the way;
/// every step gives a valid bound, and the best is kept.
///
/// - Source: Donath and Hoffman 1973, *Lower bounds for the partitioning of graphs*; Rendl and Wolkowicz 1995, *A
///   projection technique for partitioning the nodes of a graph*.
struct PlacementBound {
  let sets: DistinctSets
  let devices: Int
  let load: [Double]
  /// Most load of a device; `nil` without a cap that could bind.
  let cap: Double?
  /// Experts a device may hold, at most.
  let room: Int

  private var experts: Int { sets.experts }
  private var equal: Bool { room * devices == experts }

  init(_ sets: DistinctSets, load: [Int64], devices: Int, cap: Int64, room: Int) {
    self.sets = sets
    self.devices = devices
    self.load = load.map(Double.init)
    self.cap = load.reduce(0, +) <= cap ? nil : Double(cap)
    self.room = room
  }

  /// Most parts into which sets are divided, each with a tangent of its own.
  static let mostParts = 16

  /// Iterations that keep the time near that of `refined`.
  static func iterations(experts: Int) -> Int { max(20, min(300, 80_000_000 / (experts * experts * experts))) }

  /// Σ C_T of no placement is below this.
  ///
  /// - Parameters:
  ///   - placement: a good one, from which the tangents start.
  ///   - iterations: subgradient steps.
  /// - Returns: at least Σ w ⌈k/room⌉.
  func best(from placement: [Int], iterations: Int) -> Double {
    let e = experts
    let trivial = Double(sets.total * ((sets.topK + room - 1) / room))
    if devices == 1 || room == 1 { return trivial }
    var middle = [Double](repeating: 0, count: e * e)
    for j in 0..<e { for l in 0..<e where placement[j] == placement[l] { middle[j * e + l] = 1 } }
    var multipliers = Multipliers(experts: e)
    var best = trivial
    let target = Double(Prediction.deviceRows(sets, placement: placement, devices: devices))
    var scale = 1.0
    var quiet = 0
    let count = max(1, min(Self.mostParts, iterations / Self.mostParts))
    func rows(_ part: Int) -> StrideTo<Int> { stride(from: part, to: sets.rows, by: count) }
    var parts = (0..<count).map { self.tangent(at: middle, rows: rows($0)) }
    var tangent = Tangent.sum(parts)
    for step in 1...max(1, iterations) {
      let (most, y) = partition(tangent.weights, multipliers)
      let bound = tangent.constant - most
      if bound > best + 1e-7 * target { (best, quiet) = (bound, 0) } else { quiet += 1 }
      if quiet == 12 { (scale, quiet) = (scale / 1.5, 0) }
      multipliers.step(
        y, load: load, cap: cap, room: equal ? nil : Double(room), gap: max(target - bound, 1e-9) * scale)
      let share = 2 / Double(step + 8)
      for slot in middle.indices { middle[slot] += share * (y[slot] - middle[slot]) }
      // A part of the sets at a time: a pass over all costs more than the eigenvalues.
      let part = step % parts.count
      parts[part] = parts[part].mean(with: self.tangent(at: middle.map { min(max($0, 0), 1) }, rows: rows(part)))
      tangent = .sum(parts)
    }
    // Rounding in eigenvalues is far below this.
    return best - 1e-9 * target
  }

  /// An upper bound of ⟨W, Y⟩ off the diagonal, and the relaxed Y that attains it under these multipliers.
  private func partition(_ weights: [Double], _ multipliers: Multipliers) -> (most: Double, y: [Double]) {
    let e = experts
    var matrix = weights
    var offset = 0.0
    for j in 0..<e {
      matrix[j * e + j] += multipliers.diagonal[j]
      offset -= multipliers.diagonal[j]
      if let cap { offset += cap * multipliers.load[j] }
      if !equal { offset += Double(room) * multipliers.size[j] }
      for l in 0..<e {
        matrix[j * e + l] += multipliers.sign[j * e + l]
        if cap != nil { matrix[j * e + l] -= (multipliers.load[j] * load[l] + load[j] * multipliers.load[l]) / 2 }
        if !equal { matrix[j * e + l] -= (multipliers.size[j] + multipliers.size[l]) / 2 }
      }
    }
    var y = [Double](repeating: 0, count: e * e)
    var most = offset
    var left = Double(e)
    let size = Double(room)
    if equal {
      // The constant vector is an eigenvector of every Y: its part is known, the rest lives beside it.
      let rows = (0..<e).map { j in (0..<e).reduce(0.0) { $0 + matrix[j * e + $1] } / Double(e) }
      let mean = rows.reduce(0, +) / Double(e)
      let low = matrix.reduce(0.0) { $0 + abs($1) } + 1
      for j in 0..<e {
        for l in 0..<e { matrix[j * e + l] += mean - rows[j] - rows[l] - low / Double(e) }
      }
      most += size * mean * Double(e)
      for slot in y.indices { y[slot] = size / Double(e) }
      left -= size
    }
    let eigen = SymmetricEigen(matrix, order: e)
    var index = e - 1
    while left > 1e-9, index >= 0 {
      let share = min(size, left)
      most += share * eigen.values[index]
      for j in 0..<e {
        let scaled = share * eigen.vectors[j * e + index]
        for l in 0..<e { y[j * e + l] += scaled * eigen.vectors[l * e + index] }
      }
      left -= share
      index -= 1
    }
    return (most, y)
  }

  /// v, N, μ and, with slack, the multipliers of row sums.
  private struct Multipliers {
    var diagonal: [Double]
    var sign: [Double]
    var load: [Double]
    var size: [Double]

    init(experts: Int) {
      diagonal = [Double](repeating: 0, count: experts)
      sign = [Double](repeating: 0, count: experts * experts)
      load = diagonal
      size = diagonal
    }

    /// One projected subgradient step of Polyak's length.
    mutating func step(_ y: [Double], load loads: [Double], cap: Double?, room: Double?, gap: Double) {
      let e = diagonal.count
      let mean = max(loads.reduce(0, +) / Double(e), 1)
      // Loads are scaled so that a row's excess counts like an expert's.
      var (loadGradient, sizeGradient) = (diagonal.map { _ in 0.0 }, diagonal.map { _ in 0.0 })
      var norm = 0.0
      for j in 0..<e {
        let d = y[j * e + j] - 1
        norm += d * d
        if let cap {
          loadGradient[j] = ((0..<e).reduce(-cap) { $0 + y[j * e + $1] * loads[$1] }) / mean
          if loadGradient[j] > 0 || load[j] > 0 { norm += loadGradient[j] * loadGradient[j] }
        }
        if let room {
          sizeGradient[j] = (0..<e).reduce(-room) { $0 + y[j * e + $1] }
          if sizeGradient[j] > 0 || size[j] > 0 { norm += sizeGradient[j] * sizeGradient[j] }
        }
        for l in 0..<e where l != j && (y[j * e + l] < 0 || sign[j * e + l] > 0) { norm += y[j * e + l] * y[j * e + l] }
      }
      let length = norm > 0 ? gap / norm : 0
      for j in 0..<e {
        diagonal[j] -= length * (y[j * e + j] - 1)
        load[j] = max(0, load[j] + length * loadGradient[j] / mean)
        size[j] = max(0, size[j] + length * sizeGradient[j])
        for l in 0..<e where l != j { sign[j * e + l] = max(0, sign[j * e + l] - length * y[j * e + l]) }
      }
    }
  }
}

extension Prediction {
  /// Σ C_T over distinct sets.
  static func deviceRows(_ sets: DistinctSets, placement: [Int], devices: Int) -> Int {
    var lastRow = [Int](repeating: -1, count: devices)
    var rows = 0
    for (slot, expert) in sets.sets.enumerated() {
      let (device, row) = (placement[Int(expert)], slot / sets.topK)
      if lastRow[device] != row {
        lastRow[device] = row
        rows += Int(sets.weights[row])
      }
    }
    return rows
  }
}
