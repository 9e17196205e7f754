internal import CKernels

extension Tensor {
  /// Sum of all elements, added up in double precision: a scalar.
  public func sum() -> Tensor {
    let source = storage.floats
    let total = Kernels.reduce(count) { ck_sum(source + $0.lowerBound, $0.count) }
    let shape = shape
    return .op(
      Tensor(Float(total)).storage, [],
      gradient { dy in Tensor.full(shape, dy.scalar) })
  }

  /// Mean of all elements: a scalar.
  public func mean() -> Tensor { sum() * (1 / Float(count)) }

  /// Sum over one axis.
  ///
  /// - Parameters:
  ///   - axis: Axis to add up, from 0.
  ///   - keepingAxis: Whether the axis stays, with extent 1.
  /// - Returns: The other axes, in their order.
  public func sum(axis: Int, keepingAxis: Bool = false) -> Tensor {
    precondition(shape.indices.contains(axis), "sum(axis:): axis \(axis) of shape \(shape)")
    let (outer, extent, inner) = (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
    let full = shape
    var (kept, removed) = (shape, shape)
    kept[axis] = 1
    removed.remove(at: axis)
    let keptShape = kept
    let result: Storage
    if inner == 1 {
      result = Kernels.rowSums(storage, rows: outer, columns: extent)
    } else if outer == 1 {
      result = Kernels.columnSums(storage, rows: extent, columns: inner)
    } else {
      result = Storage.zeros(outer * inner)
      let (source, target) = (storage.floats, result.floats)
      Parallel.blocks(outer, grain: Kernels.rowGrain(extent * inner)) { range in
        for index in range { ck_column_sums(source + index * extent * inner, target + index * inner, extent, inner) }
      }
    }
    return .op(
      result, keepingAxis ? kept : removed,
      gradient { dy in dy.reshaped(keptShape) + Tensor.zeros(full) })
  }

  /// Mean over all axes but the last: `[..., n]` → `[n]`.
  public func columnMeans() -> Tensor {
    let (rows, columns, shape) = (rows, columns, shape)
    return .op(
      Kernels.columnSums(storage, rows: rows, columns: columns), [columns],
      gradient { dy in dy + Tensor.zeros(shape) }) * (1 / Float(max(rows, 1)))
  }

  /// Σ x², added up in double precision.
  public var sumOfSquares: Double {
    let source = storage.floats
    return Kernels.reduce(count) { ck_sum_squares(source + $0.lowerBound, $0.count) }
  }

  /// Whether no element is infinite or NaN.
  public var isFinite: Bool {
    withBytes { WeightEncoding(dtype).allFinite(in: $0) }
  }

  /// A tensor of one value.
  static func full(_ shape: [Int], _ value: Float) -> Tensor {
    let storage = Storage(shape.reduce(1, *))
    Kernels.fill(storage.floats, value, storage.count)
    return Tensor(storage, shape)
  }
}
