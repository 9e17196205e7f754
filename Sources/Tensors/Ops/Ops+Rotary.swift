internal import CKernels
internal import Foundation

/// Cosines and sines of rotary position embedding.
///
///     θ_i = base^(-2i / d),   cos(p θ_i), sin(p θ_i),   i < d / 2
///
/// Angles are computed as transformers does: θ and p θ in float32, then cos and sin.
/// - Source: Su et al. 2021, RoFormer, eq. 15; half-split pairs (x_i, x_{i + d/2}).
public struct RotaryTable: Sendable {
  let cosines: Storage
  let sines: Storage
  /// Positions 0..<positions have an entry.
  public let positions: Int
  /// d, the width of one head.
  public let headDimension: Int

  /// Tabulates `positions` positions.
  ///
  /// - Parameters:
  ///   - headDimension: d, even.
  ///   - base: Base of the geometric series, `rope_theta`.
  ///   - positions: Length of the table.
  public init(headDimension: Int, base: Double, positions: Int) {
    precondition(headDimension % 2 == 0, "RotaryTable: expected an even head dimension, found \(headDimension)")
    let half = headDimension / 2
    (cosines, sines) = (Storage(positions * half), Storage(positions * half))
    self.positions = positions
    self.headDimension = headDimension
    for i in 0..<half {
      let frequency = 1 / Float(Foundation.pow(base, Double(2 * i) / Double(headDimension)))
      for position in 0..<positions {
        let angle = Double(Float(position) * frequency)
        cosines.floats[position * half + i] = Float(cos(angle))
        sines.floats[position * half + i] = Float(sin(angle))
      }
    }
  }
}

extension Tensor {
  /// Rotates every head of every row by its position.
  ///
  ///     (a, b) → (a cos - b sin, b cos + a sin),   a = x[..<d/2], b = x[d/2...]
  ///
  /// - Parameters:
  ///   - table: Angles for this head dimension.
  ///   - positions: Position of each row, within the table.
  /// - Returns: The same shape, `[rows, heads · d]`.
  public func rotated(_ table: RotaryTable, positions: [Int32]) -> Tensor {
    let (rows, d, shape, x) = (rows, table.headDimension, shape, storage)
    precondition(positions.count == rows, "rotated: \(positions.count) positions for \(rows) rows")
    precondition(columns % d == 0, "rotated: \(columns) columns are not heads of \(d)")
    precondition(
      positions.allSatisfy { 0 <= $0 && $0 < table.positions },
      "rotated: expected positions below \(table.positions), found \(positions.max() ?? 0)")
    let heads = columns / d
    @Sendable func rotate(_ x: Storage, _ sign: Float) -> Storage {
      let out = Storage(x.count)
      positions.withUnsafeBufferPointer { positions in
        let base = positions.baseAddress
        Parallel.blocks(rows, grain: Kernels.rowGrain(heads * d)) {
          guard let base else { return }
          ck_rope(
            x.floats + $0.lowerBound * heads * d, base + $0.lowerBound, table.cosines.floats, table.sines.floats, sign,
            out.floats + $0.lowerBound * heads * d, $0.count, heads, d)
        }
      }
      return out
    }
    return .op(rotate(x, 1), shape, gradient { dy in Tensor(rotate(dy.storage, -1), shape) })
  }
}
