internal import CKernels

extension Tensor {
  /// Rows of a matrix by index: `[n, h]` → `[indices.count, h]`; from bfloat16 too, as an embedding lookup is.
  ///
  /// - Parameter indices: Row numbers; a row may occur often, its gradients add up in the order of the indices.
  /// - Returns: `[indices.count, h]`, float32.
  public func gatherRows(_ indices: [Int32]) -> Tensor {
    precondition(shape.count == 2, "gatherRows: expected a matrix, found shape \(shape)")
    let (count, h, source) = (shape[0], shape[1], storage)
    precondition(
      indices.allSatisfy { 0 <= $0 && $0 < count },
      "gatherRows: expected indices in 0..<\(count), found \(indices.min() ?? 0)...\(indices.max() ?? 0)")
    let out = Storage(indices.count * h)
    Parallel.blocks(indices.count, grain: Kernels.rowGrain(h)) { range in
      for row in range {
        let (from, to) = (Int(indices[row]) * h, out.floats + row * h)
        switch source.dtype {
        case .float32: to.update(from: source.floats + from, count: h)
        case .bfloat16: ck_bf16_to_f32(source.halves + from, to, h)
        }
      }
    }
    return .op(
      out, [indices.count, h],
      gradient { dy in Tensor(Kernels.scatterAdd(dy.storage, indices, into: count, columns: h), [count, h]) })
  }

  /// Chosen entries of each row: `y[r, j] = x[r, columns[r, j]]`, 0 where the column is -1.
  ///
  /// With the columns of a top-k this is the top-k of the row, differentiable in the chosen values: selection is
  /// constant.
  ///
  /// - Parameters:
  ///   - columns: `[rows · k]` column numbers; none twice in a row.
  ///   - k: Entries a row.
  /// - Returns: `[rows, k]` for `self` of shape `[rows, n]`.
  public func gatherColumns(_ columns: [Int32], k: Int) -> Tensor {
    let (rows, n, x, shape) = (rows, self.columns, storage, shape)
    precondition(columns.count == rows * k, "gatherColumns: expected \(rows) × \(k) columns, found \(columns.count)")
    let out = Storage(rows * k)
    for slot in columns.indices {
      let column = Int(columns[slot])
      precondition(column < n, "gatherColumns: expected columns below \(n), found \(column)")
      out.floats[slot] = column < 0 ? 0 : x.floats[slot / k * n + column]
    }
    return .op(
      out, [rows, k],
      gradient { dy in
        let dx = Storage.zeros(rows * n)
        for slot in columns.indices where columns[slot] >= 0 {
          dx.floats[slot / k * n + Int(columns[slot])] += dy.storage.floats[slot]
        }
        return Tensor(dx, shape)
      })
  }
}

extension Kernels {
  /// `out[indices[r]] += rows[r]`, added up in the order of r: each task owns a range of targets.
  static func scatterAdd(_ rows: Storage, _ indices: [Int32], into count: Int, columns: Int) -> Storage {
    let out = Storage.zeros(count * columns)
    defer { withExtendedLifetime(rows) {} }
    let (source, target) = (rows.floats, out.floats)
    Parallel.blocks(count, grain: max(1, (count + 31) / 32)) { owned in
      for (row, index) in indices.enumerated() where owned.contains(Int(index)) {
        ck_axpy(1, source + row * columns, target + Int(index) * columns, columns)
      }
    }
    return out
  }

  /// `out[t] = Σ_j w[t, j] · rows[index[t, j]]` in the order of j; weights of 1 where `weights` is nil, -1 is absent.
  package static func combine(
    _ rows: Storage, _ index: [Int32], weights: Storage?, into out: Storage, tokens: Int, k: Int, columns: Int
  ) {
    defer { withExtendedLifetime((rows, weights, out)) {} }
    let (source, factors, base) = (rows.floats, weights?.floats, out.floats)
    Parallel.blocks(tokens, grain: rowGrain(columns * k)) { range in
      for token in range {
        let target = base + token * columns
        target.update(repeating: 0, count: columns)
        for slot in token * k..<(token + 1) * k where index[slot] >= 0 {
          ck_axpy(factors?[slot] ?? 1, source + Int(index[slot]) * columns, target, columns)
        }
      }
    }
  }
}
