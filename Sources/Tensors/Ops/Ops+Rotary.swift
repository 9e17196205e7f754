internal import CKernels

extension Tensor {
  /// Rotates the last d values of every head of every row by its position; the others stay.
  ///
  ///     (a, b) → (a cos - b sin, b cos + a sin)   for the pairs (a, b) of the table's ``RotaryPairing``
  ///
  /// - Parameters:
  ///   - table: Angles for d values.
  ///   - positions: Position of each row, within the table.
  ///   - headWidth: Values of one head, d if left out.
  /// - Returns: The same shape, `[rows, heads · headWidth]`.
  public func rotated(_ table: RotaryTable, positions: [Int32], headWidth: Int? = nil) -> Tensor {
    let (rows, d, shape, x) = (rows, table.headDimension, shape, storage)
    let width = headWidth ?? d
    precondition(positions.count == rows, "rotated: \(positions.count) positions for \(rows) rows")
    precondition(
      width >= d && columns % width == 0, "rotated: \(columns) columns are not heads of \(width), \(d) of them rotated")
    precondition(
      positions.allSatisfy { 0 <= $0 && $0 < table.positions },
      "rotated: expected positions below \(table.positions), found \(positions.max() ?? 0)")
    let heads = columns / width
    @Sendable func rotate(_ x: Storage, _ sign: Float) -> Storage {
      let out = Storage(x.count)
      positions.withUnsafeBufferPointer { positions in
        let base = positions.baseAddress
        Parallel.blocks(rows, grain: Kernels.rowGrain(heads * width)) {
          guard let base else { return }
          let start = $0.lowerBound * heads * width
          if width > d { (out.floats + start).update(from: x.floats + start, count: $0.count * heads * width) }
          let (source, target) = (x.floats + start + width - d, out.floats + start + width - d)
          let (cosines, sines) = (table.cosines.floats, table.sines.floats)
          switch table.pairing {
          case .halves:
            ck_rope(source, base + $0.lowerBound, cosines, sines, sign, target, $0.count, heads, width, d)
          case .neighbours:
            ck_rope_pairs(source, base + $0.lowerBound, cosines, sines, sign, target, $0.count, heads, width, d)
          }
        }
      }
      return out
    }
    return .op(rotate(x, 1), shape, gradient { dy in Tensor(rotate(dy.storage, -1), shape) })
  }
}
