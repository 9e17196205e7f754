internal import Formats
internal import Routing

extension PlacementMethod {
  /// Spectral clustering of the collaboration graph into equal groups.
  ///
  /// 1. M = G^(−1/2) · A · G^(−1/2) with G = diag(Σ_j A_ij): the normalised Laplacian is I − M.
  /// 2. Expert i becomes the unit vector along row i of M's eigenvectors of the D largest eigenvalues.
  /// 3. k-means with D centres, each taking E/D experts: pairs of expert and centre by rising distance, then swaps of
  ///    two experts until none lowers the sum of squared distances. The best of eight seeded starts.
  ///
  /// - Parameters:
  ///   - coactivation: A, `[E, E]`.
  ///   - experts: E.
  ///   - devices: D, a divisor of E.
  ///   - seed: of the starts.
  /// - Returns: π, expert → device.
  /// - Source: Ng, Jordan and Weiss 2001, *On spectral clustering*; GRACE-MoE (arXiv 2509.25041) places so with unequal
  ///   groups.
  public static func spectral(_ coactivation: [Int64], experts: Int, devices: Int, seed: UInt64) -> [Int] {
    precondition(
      coactivation.count == experts * experts && experts % devices == 0,
      "spectral: \(coactivation.count) counts for \(experts) experts on \(devices) devices")
    if devices == 1 || devices == experts { return contiguous(experts: experts, devices: devices) }
    let points = embedding(coactivation, experts: experts, dimensions: devices)
    var best: (placement: [Int], cost: Double)?
    for start in 0..<8 {
      var generator = SplitMix64(seed: seed, item: start)
      var means = BalancedMeans(points, experts: experts, devices: devices, &generator)
      means.run()
      if means.cost < best?.cost ?? .infinity { best = (means.placement, means.cost) }
    }
    return best?.placement ?? contiguous(experts: experts, devices: devices)
  }

  /// `[E, D]`: unit rows of the leading eigenvectors of M; an expert that never collaborates stays at the origin.
  private static func embedding(_ coactivation: [Int64], experts: Int, dimensions: Int) -> [Double] {
    let degrees = (0..<experts).map { i in
      Double((0..<experts).reduce(Int64(0)) { $0 + coactivation[i * experts + $1] })
    }
    var matrix = [Double](repeating: 0, count: experts * experts)
    for i in 0..<experts {
      for j in 0..<experts where degrees[i] > 0 && degrees[j] > 0 {
        matrix[i * experts + j] = Double(coactivation[i * experts + j]) / (degrees[i] * degrees[j]).squareRoot()
      }
    }
    let eigen = SymmetricEigen(matrix, order: experts)
    var points = [Double](repeating: 0, count: experts * dimensions)
    for i in 0..<experts where degrees[i] > 0 {
      let row = (0..<dimensions).map { eigen.vectors[i * experts + experts - 1 - $0] }
      let norm = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for d in 0..<dimensions where norm > 0 { points[i * dimensions + d] = row[d] / norm }
    }
    return points
  }
}

/// k-means whose clusters hold equally many points.
private struct BalancedMeans {
  let points: [Double]
  let experts: Int
  /// Clusters, and dimensions as well.
  let devices: Int
  private var centres: [Double]
  private(set) var placement: [Int]
  private(set) var cost = Double.infinity

  /// Centres start at experts far apart: each next one drawn in proportion to its squared distance (k-means++).
  init(_ points: [Double], experts: Int, devices: Int, _ generator: inout SplitMix64) {
    self.points = points
    self.experts = experts
    self.devices = devices
    placement = []
    centres = []
    var distance = [Double](repeating: .infinity, count: experts)
    var next = generator.below(experts)
    for _ in 0..<devices {
      centres += points[next * devices..<(next + 1) * devices]
      let centre = centres.count / devices - 1
      for expert in 0..<experts { distance[expert] = min(distance[expert], squared(expert, centre)) }
      var draw = generator.uniform() * distance.reduce(0, +)
      next = distance.indices.max { distance[$0] < distance[$1] } ?? 0
      for expert in 0..<experts {
        draw -= distance[expert]
        if draw < 0 {
          next = expert
          break
        }
      }
    }
  }

  private func squared(_ expert: Int, _ centre: Int) -> Double {
    var sum = 0.0
    for d in 0..<devices {
      let difference = points[expert * devices + d] - centres[centre * devices + d]
      sum += difference * difference
    }
    return sum
  }

  mutating func run() {
    for _ in 0..<50 {
      let table = (0..<experts).flatMap { expert in (0..<devices).map { squared(expert, $0) } }
      let (next, sum) = assign(table)
      if next == placement || sum >= cost { break }
      (placement, cost) = (next, sum)
      recentre()
    }
  }

  private func assign(_ table: [Double]) -> (placement: [Int], cost: Double) {
    let room = experts / devices
    var placement = [Int](repeating: -1, count: experts)
    var held = [Int](repeating: 0, count: devices)
    for slot in table.indices.sorted(by: { (table[$0], $0) < (table[$1], $1) }) {
      let (expert, device) = (slot / devices, slot % devices)
      if placement[expert] >= 0 || held[device] == room { continue }
      placement[expert] = device
      held[device] += 1
    }
    var improved = true
    while improved {
      improved = false
      for a in 0..<experts {
        for b in a + 1..<experts where placement[a] != placement[b] {
          let (x, y) = (placement[a], placement[b])
          let change =
            table[a * devices + y] + table[b * devices + x] - table[a * devices + x] - table[b * devices + y]
          // Not merely below 0: rounding must not swap two experts for ever.
          if change < -1e-12 {
            placement.swapAt(a, b)
            improved = true
          }
        }
      }
    }
    return (placement, placement.indices.reduce(0) { $0 + table[$1 * devices + placement[$1]] })
  }

  private mutating func recentre() {
    centres = [Double](repeating: 0, count: devices * devices)
    for expert in 0..<experts {
      for d in 0..<devices {
        centres[placement[expert] * devices + d] += points[expert * devices + d] / Double(experts / devices)
      }
    }
  }
}
