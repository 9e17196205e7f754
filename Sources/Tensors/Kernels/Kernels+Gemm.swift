internal import CKernels
internal import COpenBLAS

/// One operand of a matrix product: row-major memory with a row stride, possibly read transposed.
package struct MatrixView {
  let pointer: UnsafePointer<Float>
  let stride: Int
  let transposed: Bool

  package init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
    self.pointer = pointer
    self.stride = stride
    self.transposed = transposed
  }

  /// The view that begins at row `row` of the operand as the product reads it.
  @inline(__always)
  func fromRow(_ row: Int) -> UnsafePointer<Float> { pointer + (transposed ? row : row * stride) }

  /// The view that begins at column `column` of the operand as the product reads it.
  @inline(__always)
  func fromColumn(_ column: Int) -> UnsafePointer<Float> { pointer + (transposed ? column * stride : column) }
}

extension Kernels {
  /// Rows of a product that one task computes: at 128, packing the other operand took a tenth of the time.
  private static let gemmRows = 256
  /// Products below this many multiply-adds stay on the calling thread.
  private static let gemmSerial = 1 << 17

  /// `C = A · B + β C` on the calling thread.
  @inline(__always)
  package static func gemmSerial(
    _ a: MatrixView, _ b: MatrixView, _ c: UnsafeMutablePointer<Float>, stride: Int, m: Int, n: Int, k: Int,
    beta: Float = 0
  ) {
    if m == 0 || n == 0 { return }
    if k == 0 {
      if beta == 0 { for row in 0..<m { (c + row * stride).update(repeating: 0, count: n) } }
      return
    }
    BLAS.shared.sgemm { sgemm in
      sgemm(
        CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
        Int32(m), Int32(n), Int32(k), 1, a.pointer, Int32(a.stride), b.pointer, Int32(b.stride), beta, c, Int32(stride))
    }
  }

  /// `C = A · B + β C` on all threads, cut into blocks of rows (or of columns, where there are few rows) by shape
  /// alone.
  package static func gemm(
    _ a: MatrixView, _ b: MatrixView, _ c: UnsafeMutablePointer<Float>, stride: Int, m: Int, n: Int, k: Int,
    beta: Float = 0
  ) {
    if m * n * k <= gemmSerial { return gemmSerial(a, b, c, stride: stride, m: m, n: n, k: k, beta: beta) }
    if m >= n / 4 || m >= 2 * gemmRows {
      let block = evenBlock(m)
      Parallel.blocks(m, grain: block) { rows in
        gemmSerial(
          MatrixView(a.fromRow(rows.lowerBound), stride: a.stride, transposed: a.transposed), b,
          c + rows.lowerBound * stride, stride: stride, m: rows.count, n: n, k: k, beta: beta)
      }
    } else {
      let block = evenBlock(n)
      Parallel.blocks(n, grain: block) { columns in
        gemmSerial(
          a, MatrixView(b.fromColumn(columns.lowerBound), stride: b.stride, transposed: b.transposed),
          c + columns.lowerBound, stride: stride, m: m, n: columns.count, k: k, beta: beta)
      }
    }
  }

  /// Block length near ``gemmRows`` that cuts `count` evenly into an even number of parts, at most 32.
  private static func evenBlock(_ count: Int) -> Int {
    let parts = min(max(2, (count / gemmRows + 1) & ~1), 32)
    return ((count + parts - 1) / parts + 15) & ~15
  }

  /// `x · Wᵀ` with `x` `[m, k]` and `W` `[n, k]` of either type; few rows go through the matrix-vector loop.
  static func linear(_ x: Storage, _ weight: Storage, m: Int, n: Int, k: Int) -> Storage {
    let out = Storage(m * n)
    defer { withExtendedLifetime((x, weight)) {} }
    if m <= matvecRows {
      let (source, target) = (x.floats, out.floats)
      Parallel.blocks(n, grain: max(1, min(n, (1 << 16) / max(k, 1)))) { columns in
        matvec(
          source, weight, offset: columns.lowerBound * k, target + columns.lowerBound, rows: m, n: columns.count, k: k,
          outStride: n)
      }
      return out
    }
    let w = float32(weight)
    defer { withExtendedLifetime(w) {} }
    gemm(
      MatrixView(x.floats, stride: k), MatrixView(w.floats, stride: k, transposed: true), out.floats, stride: n, m: m,
      n: n, k: k)
    return out
  }

  /// Up to this many rows a product is bound by reading the weights once, and OpenBLAS's packing only costs.
  static let matvecRows = 4

  /// `out[r, j] = ⟨x[r], W[j]⟩` for few rows, on the calling thread; `offset` elements into the weights.
  @inline(__always)
  static func matvec(
    _ x: UnsafePointer<Float>, _ weight: Storage, offset: Int, _ out: UnsafeMutablePointer<Float>, rows: Int, n: Int,
    k: Int, outStride: Int
  ) {
    switch weight.dtype {
    case .float32: ck_matvec(x, weight.floats + offset, out, rows, n, k, outStride)
    case .bfloat16: ck_matvec_bf16(x, weight.halves + offset, out, rows, n, k, outStride)
    }
  }
}
