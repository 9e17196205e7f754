internal import CKernels

/// Threads and pointers around the serial C loops: the only place with loops over raw memory.
///
/// Work is cut into blocks of a fixed number of elements or rows, so every result has the same bits for any number of
/// threads.
package enum Kernels {
  /// Elements in one block of an element-wise loop: large enough to pay for a hand-over, small enough to stay in cache.
  static let grain = 32_768

  /// Rows of `columns` elements that make about one block.
  static func rowGrain(_ columns: Int) -> Int { max(1, grain / max(columns, 1)) }

  static func fill(_ out: UnsafeMutablePointer<Float>, _ value: Float, _ count: Int) {
    Parallel.blocks(count, grain: grain) { block in
      (out + block.lowerBound).update(repeating: value, count: block.count)
    }
  }

  /// Runs a loop `(a, out, n)` over all elements of `a`.
  static func unary(
    _ a: Storage, _ loop: @escaping (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> Storage {
    let out = Storage(a.count)
    defer { withExtendedLifetime(a) {} }
    let (source, target) = (a.floats, out.floats)
    Parallel.blocks(a.count, grain: grain) { loop(source + $0.lowerBound, target + $0.lowerBound, $0.count) }
    return out
  }

  /// Runs a loop `(a, b, out, n)` over all elements of `a` and `b`, which have as many.
  static func binary(
    _ a: Storage, _ b: Storage,
    _ loop: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> Storage {
    precondition(a.count == b.count, "Kernels.binary: \(a.count) elements against \(b.count)")
    let out = Storage(a.count)
    defer { withExtendedLifetime((a, b)) {} }
    let (x, y, target) = (a.floats, b.floats, out.floats)
    Parallel.blocks(a.count, grain: grain) {
      loop(x + $0.lowerBound, y + $0.lowerBound, target + $0.lowerBound, $0.count)
    }
    return out
  }

  /// `target += a`, in place; `target` has as many elements as `a`.
  static func accumulate(_ a: Storage, into target: UnsafeMutablePointer<Float>) {
    defer { withExtendedLifetime(a) {} }
    let source = a.floats
    Parallel.blocks(a.count, grain: grain) {
      ck_axpy(1, source + $0.lowerBound, target + $0.lowerBound, $0.count)
    }
  }

  /// Adds up a double per block in the order of the blocks.
  static func reduce(_ count: Int, grain: Int = Kernels.grain, _ body: (Range<Int>) -> Double) -> Double {
    let blocks = (count + grain - 1) / grain
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(blocks, 1)) { partial in
      let base = partial.baseAddress.unsafelyUnwrapped
      Parallel.run(blocks) { base[$0] = body($0 * grain..<min(($0 + 1) * grain, count)) }
      return (0..<blocks).reduce(0) { $0 + base[$1] }
    }
  }

  /// `out[j] = Σ_r rows[r, j]`, added up in the order of the rows.
  static func columnSums(_ x: Storage, rows: Int, columns: Int) -> Storage {
    let out = Storage.zeros(columns)
    defer { withExtendedLifetime(x) {} }
    let (source, target) = (x.floats, out.floats)
    Parallel.blocks(columns, grain: max(64, columns / 16)) { block in
      if block.count == columns {
        ck_column_sums(source, target, rows, columns)
      } else {
        for row in 0..<rows {
          ck_axpy(1, source + row * columns + block.lowerBound, target + block.lowerBound, block.count)
        }
      }
    }
    return out
  }

  /// `out[r] = Σ_j rows[r, j]`.
  static func rowSums(_ x: Storage, rows: Int, columns: Int) -> Storage {
    let out = Storage(rows)
    defer { withExtendedLifetime(x) {} }
    let (source, target) = (x.floats, out.floats)
    Parallel.blocks(rows, grain: rowGrain(columns)) {
      ck_row_sums(source + $0.lowerBound * columns, target + $0.lowerBound, $0.count, columns)
    }
    return out
  }
}
