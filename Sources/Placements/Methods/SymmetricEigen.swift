/// Eigenvalues and eigenvectors of a small symmetric matrix: Householder's tridiagonal form, then implicit QL.
///
///     A = V · diag(values) · Vᵀ
///
/// In one fixed order of operations, so that equal input gives equal bits.
///
/// - Source: Golub and Van Loan, *Matrix Computations*, sections 8.3.1 and 8.3.3; Bowdler et al. 1968, *The QR and QL
///   algorithms for symmetric matrices*.
struct SymmetricEigen {
  /// Ascending.
  private(set) var values: [Double]
  /// `[n, n]`, column i (at `row * n + i`) belongs to `values[i]`.
  private(set) var vectors: [Double]

  /// Decomposes.
  ///
  /// - Parameters:
  ///   - matrix: `[n, n]`, symmetric and finite; the lower triangle is read.
  ///   - n: its order.
  init(_ matrix: [Double], order n: Int) {
    precondition(matrix.count == n * n, "SymmetricEigen: \(matrix.count) values for order \(n)")
    values = [Double](repeating: 0, count: n)
    vectors = matrix
    guard n > 1 else {
      values = matrix
      vectors = [Double](repeating: 1, count: n)
      return
    }
    var below = [Double](repeating: 0, count: n)
    tridiagonalise(n, &below)
    iterate(n, &below)
    sort(n)
  }

  /// Reduces to tridiagonal form: diagonal in `values`, the entries below it in `below[1...]`, the rotation in
  /// `vectors`.
  private mutating func tridiagonalise(_ n: Int, _ below: inout [Double]) {
    for i in stride(from: n - 1, to: 0, by: -1) {
      var h = 0.0
      let scale = (0..<i).reduce(0.0) { $0 + abs(vectors[i * n + $1]) }
      if i == 1 || scale == 0 {
        below[i] = vectors[i * n + i - 1]
        values[i] = 0
        continue
      }
      for k in 0..<i {
        vectors[i * n + k] /= scale
        h += vectors[i * n + k] * vectors[i * n + k]
      }
      let f = vectors[i * n + i - 1]
      let g = f >= 0 ? -h.squareRoot() : h.squareRoot()
      below[i] = scale * g
      h -= f * g
      vectors[i * n + i - 1] = f - g
      var dot = 0.0
      for j in 0..<i {
        vectors[j * n + i] = vectors[i * n + j] / h
        var sum = 0.0
        for k in 0...j { sum += vectors[j * n + k] * vectors[i * n + k] }
        for k in j + 1..<max(i, j + 1) { sum += vectors[k * n + j] * vectors[i * n + k] }
        below[j] = sum / h
        dot += below[j] * vectors[i * n + j]
      }
      let half = dot / (h + h)
      for j in 0..<i {
        let u = vectors[i * n + j]
        let p = below[j] - half * u
        below[j] = p
        for k in 0...j { vectors[j * n + k] -= u * below[k] + p * vectors[i * n + k] }
      }
      values[i] = h
    }
    (values[0], below[0]) = (0, 0)
    for i in 0..<n {
      if values[i] != 0 {
        for j in 0..<i {
          var sum = 0.0
          for k in 0..<i { sum += vectors[i * n + k] * vectors[k * n + j] }
          for k in 0..<i { vectors[k * n + j] -= sum * vectors[k * n + i] }
        }
      }
      values[i] = vectors[i * n + i]
      vectors[i * n + i] = 1
      for j in 0..<i { (vectors[i * n + j], vectors[j * n + i]) = (0, 0) }
    }
  }

  /// QL with implicit shifts, eigenvalue by eigenvalue.
  private mutating func iterate(_ n: Int, _ below: inout [Double]) {
    for i in 1..<n { below[i - 1] = below[i] }
    below[n - 1] = 0
    for l in 0..<n {
      // Thirty rounds are the customary bound; two or three are usual.
      for _ in 0..<60 {
        var m = l
        while m < n - 1 {
          let size = abs(values[m]) + abs(values[m + 1])
          if abs(below[m]) <= Double.ulpOfOne * size { break }
          m += 1
        }
        if m == l { break }
        var g = (values[l + 1] - values[l]) / (2 * below[l])
        var r = (g * g + 1).squareRoot()
        g = values[m] - values[l] + below[l] / (g + (g >= 0 ? r : -r))
        var (s, c, p) = (1.0, 1.0, 0.0)
        var broke = false
        for i in stride(from: m - 1, through: l, by: -1) {
          let f = s * below[i]
          let b = c * below[i]
          r = (f * f + g * g).squareRoot()
          below[i + 1] = r
          if r == 0 {
            values[i + 1] -= p
            below[m] = 0
            broke = true
            break
          }
          s = f / r
          c = g / r
          g = values[i + 1] - p
          r = (values[i] - g) * s + 2 * c * b
          p = s * r
          values[i + 1] = g + p
          g = c * r - b
          for k in 0..<n {
            let high = vectors[k * n + i + 1]
            let low = vectors[k * n + i]
            vectors[k * n + i + 1] = s * low + c * high
            vectors[k * n + i] = c * low - s * high
          }
        }
        if broke { continue }
        values[l] -= p
        below[l] = g
        below[m] = 0
      }
    }
  }

  private mutating func sort(_ n: Int) {
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    let (oldValues, oldVectors) = (values, vectors)
    for (new, old) in order.enumerated() {
      values[new] = oldValues[old]
      for k in 0..<n { vectors[k * n + new] = oldVectors[k * n + old] }
    }
  }
}
