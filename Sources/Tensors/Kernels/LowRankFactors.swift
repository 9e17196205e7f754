/// Operands of the low-rank terms in a grouped expert product; every method works on the rows of one expert.
///
/// Products with the small side r cost little beside those with the frozen weight, whose own gradient is never formed.
package struct LowRankFactors: Sendable {
  /// `[n, r, in]`
  let a: Storage
  /// `[n, out, r]`
  let b: Storage
  /// r
  let rank: Int
  let inputs: Int
  let outputs: Int
  /// s
  let scale: Float
  /// Number of each expert's factors, -1 for none.
  let indices: [Int32]

  /// `y += s · (x Aᵀ) · Bᵀ`
  func add(_ expert: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows m: Int) {
    guard let (a, b) = pointers(expert) else { return }
    let u = narrowed(x, a, rows: m)
    defer { withExtendedLifetime((self.a, self.b, u)) {} }
    Kernels.gemmSerial(
      MatrixView(u.floats, stride: rank), MatrixView(b, stride: rank, transposed: true), y, stride: outputs, m: m,
      n: outputs, k: rank, beta: 1)
  }

  /// `g = s · dy · B`, `[rows, r]`, which all gradients share; nil for an expert without factors.
  func pulled(_ expert: Int, _ dy: UnsafePointer<Float>, rows m: Int) -> Storage? {
    guard let (_, b) = pointers(expert) else { return nil }
    let g = Storage(m * rank)
    defer { withExtendedLifetime(self.b) {} }
    Kernels.gemmSerial(
      MatrixView(dy, stride: outputs), MatrixView(b, stride: rank), g.floats, stride: rank, m: m, n: rank, k: outputs)
    scaled(g)
    return g
  }

  /// `dx += g · A`
  func addInputGradient(_ expert: Int, _ g: Storage?, into dx: UnsafeMutablePointer<Float>, rows m: Int) {
    guard let g, let (a, _) = pointers(expert) else { return }
    defer { withExtendedLifetime((self.a, g)) {} }
    Kernels.gemmSerial(
      MatrixView(g.floats, stride: rank), MatrixView(a, stride: inputs), dx, stride: inputs, m: m, n: inputs, k: rank,
      beta: 1)
  }

  /// `dA += gᵀ · x` and `dB += s · dyᵀ · (x Aᵀ)`, each where it is wanted.
  func addGradients(
    _ expert: Int, _ g: Storage?, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, a dA: Storage?, b dB: Storage?,
    rows m: Int
  ) {
    guard let g, let (a, _) = pointers(expert) else { return }
    let index = Int(indices[expert])
    defer { withExtendedLifetime((self.a, g, dA, dB)) {} }
    if let dA {
      Kernels.gemmSerial(
        MatrixView(g.floats, stride: rank, transposed: true), MatrixView(x, stride: inputs),
        dA.floats + index * rank * inputs, stride: inputs, m: rank, n: inputs, k: m, beta: 1)
    }
    if let dB {
      let u = narrowed(x, a, rows: m)
      defer { withExtendedLifetime(u) {} }
      Kernels.gemmSerial(
        MatrixView(dy, stride: outputs, transposed: true), MatrixView(u.floats, stride: rank),
        dB.floats + index * outputs * rank, stride: rank, m: outputs, n: rank, k: m, beta: 1)
    }
  }

  /// An expert's A and B; nil where it has none.
  private func pointers(_ expert: Int) -> (a: UnsafePointer<Float>, b: UnsafePointer<Float>)? {
    let index = Int(indices[expert])
    if index < 0 { return nil }
    let (first, second) = (index * rank * inputs, index * rank * outputs)
    return (UnsafePointer(a.floats + first), UnsafePointer(b.floats + second))
  }

  /// `s · x · Aᵀ`, `[rows, r]`
  private func narrowed(_ x: UnsafePointer<Float>, _ a: UnsafePointer<Float>, rows m: Int) -> Storage {
    let u = Storage(m * rank)
    Kernels.gemmSerial(
      MatrixView(x, stride: inputs), MatrixView(a, stride: inputs, transposed: true), u.floats, stride: rank, m: m,
      n: rank, k: inputs)
    scaled(u)
    return u
  }

  private func scaled(_ values: Storage) {
    let floats = values.floats
    for index in 0..<values.count { floats[index] *= scale }
    withExtendedLifetime(values) {}
  }
}
