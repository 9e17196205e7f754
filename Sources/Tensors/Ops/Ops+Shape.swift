extension Tensor {
  /// The same elements in row-major order under another shape; nothing is copied.
  public func reshaped(_ newShape: [Int]) -> Tensor {
    precondition(newShape.reduce(1, *) == count, "reshaped: \(shape) has \(count) elements, \(newShape) has not")
    let shape = shape
    return .op(storage, newShape, gradient { dy in dy.reshaped(shape) })
  }

  /// The transpose of a matrix: `[m, n]` → `[n, m]`.
  public func transposed() -> Tensor {
    precondition(shape.count == 2, "transposed: expected a matrix, found shape \(shape)")
    let (m, n) = (shape[0], shape[1])
    let out = Storage(count)
    let (source, target) = (storage.floats, out.floats)
    Parallel.blocks(n, grain: Kernels.rowGrain(m)) { columns in
      for column in columns { for row in 0..<m { target[column * m + row] = source[row * n + column] } }
    }
    return .op(out, [n, m], gradient { dy in dy.transposed() })
  }

  /// Cuts the last axis into parts: `[..., Σ sizes]` → one `[..., size]` each.
  public func split(_ sizes: [Int]) -> [Tensor] {
    precondition(
      sizes.reduce(0, +) == columns, "split: sizes \(sizes) do not add up to the \(columns) columns of \(shape)")
    var start = 0
    return sizes.map { size in
      defer { start += size }
      return columns(start..<start + size)
    }
  }

  /// Columns of the last axis: `[..., n]` → `[..., range.count]`.
  public func columns(_ range: Range<Int>) -> Tensor {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= columns, "columns: \(range) of shape \(shape)")
    let (rows, width, shape) = (rows, columns, shape)
    let out = Storage(rows * range.count)
    Kernels.copyRows(
      storage.floats + range.lowerBound, stride: width, to: out.floats, stride: range.count, rows: rows,
      columns: range.count)
    return .op(
      out, shape.dropLast() + [range.count],
      gradient { dy in
        let dx = Storage.zeros(rows * width)
        Kernels.copyRows(
          dy.storage.floats, stride: range.count, to: dx.floats + range.lowerBound, stride: width, rows: rows,
          columns: range.count)
        return Tensor(dx, shape)
      })
  }

  /// Joins tensors along the last axis; all other axes agree.
  public static func concatenate(_ parts: [Tensor]) -> Tensor {
    guard let first = parts.first else { preconditionFailure("concatenate: expected at least one tensor, found none") }
    let rows = first.rows
    let width = parts.reduce(0) { $0 + $1.columns }
    let out = Storage(rows * width)
    var start = 0
    var edges: [Edge] = []
    for part in parts {
      precondition(
        part.shape.dropLast() == first.shape.dropLast(),
        "concatenate: shapes \(first.shape) and \(part.shape) do not fit")
      Kernels.copyRows(
        part.storage.floats, stride: part.columns, to: out.floats + start, stride: width, rows: rows,
        columns: part.columns)
      let range = start..<start + part.columns
      if let edge = part.gradient({ dy in dy.columns(range) }) { edges.append(edge) }
      start = range.upperBound
    }
    return Tensor(out, first.shape.dropLast() + [width], node: edges.isEmpty ? nil : Node(edges: edges))
  }
}

extension Kernels {
  /// Copies `rows` rows of `columns` elements between two row strides.
  static func copyRows(
    _ source: UnsafePointer<Float>, stride sourceStride: Int, to target: UnsafeMutablePointer<Float>,
    stride targetStride: Int, rows: Int, columns: Int
  ) {
    Parallel.blocks(rows, grain: rowGrain(columns)) { range in
      for row in range { (target + row * targetStride).update(from: source + row * sourceStride, count: columns) }
    }
  }
}
