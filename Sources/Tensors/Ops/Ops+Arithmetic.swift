internal import CKernels

extension Tensor {
  /// Element-wise sum, with broadcasting as in NumPy.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    let shape = broadcastShape(a, b, "+")
    return .op(
      Kernels.broadcast(a, b, shape, ck_add), shape,
      a.gradient { $0 },
      b.gradient { $0 })
  }

  /// Element-wise difference, with broadcasting as in NumPy.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    let shape = broadcastShape(a, b, "-")
    return .op(
      Kernels.broadcast(a, b, shape, ck_sub), shape,
      a.gradient { $0 },
      b.gradient { -$0 })
  }

  /// Element-wise product, with broadcasting as in NumPy.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    let shape = broadcastShape(a, b, "*")
    let (x, y) = (a.detached(), b.detached())
    return .op(
      Kernels.broadcast(a, b, shape, ck_mul), shape,
      a.gradient { dy in dy * y },
      b.gradient { dy in dy * x })
  }

  /// Element-wise quotient, with broadcasting as in NumPy.
  public static func / (a: Tensor, b: Tensor) -> Tensor {
    let shape = broadcastShape(a, b, "/")
    let (x, y) = (a.detached(), b.detached())
    return .op(
      Kernels.broadcast(a, b, shape, ck_div), shape,
      a.gradient { dy in dy / y },
      // d(x / y) / dy = -x / y²
      b.gradient { dy in -(dy * x / (y * y)) })
  }

  /// Every element plus `b`.
  public static func + (a: Tensor, b: Float) -> Tensor {
    .op(Kernels.unary(a.storage) { ck_add_scalar($0, b, $1, $2) }, a.shape, a.gradient { $0 })
  }

  /// Every element times `b`.
  public static func * (a: Tensor, b: Float) -> Tensor {
    .op(Kernels.unary(a.storage) { ck_scale($0, b, $1, $2) }, a.shape, a.gradient { $0 * b })
  }

  /// Every element with its sign changed.
  public static prefix func - (a: Tensor) -> Tensor { a * -1 }

  /// The shape of a result of two broadcast operands; a bug of ours where they do not fit.
  static func broadcastShape(_ a: Tensor, _ b: Tensor, _ op: String) -> [Int] {
    if a.shape == b.shape { return a.shape }
    let rank = max(a.shape.count, b.shape.count)
    let (x, y) = (a.shape.padded(to: rank), b.shape.padded(to: rank))
    return zip(x, y).map { m, n in
      precondition(m == n || m == 1 || n == 1, "\(op): shapes \(a.shape) and \(b.shape) do not broadcast")
      return m == 1 ? n : m
    }
  }

  /// The sum over the axes that broadcasting to this shape had stretched: the gradient of a broadcast.
  func reduced(to target: [Int]) -> Tensor {
    if shape == target { return self }
    var result = self
    let padded = target.padded(to: shape.count)
    for (axis, extent) in padded.enumerated() where extent == 1 && result.shape[axis] != 1 {
      result = result.sum(axis: axis, keepingAxis: true)
    }
    precondition(result.count == target.reduce(1, *), "reduced: \(shape) does not come from broadcasting \(target)")
    return Tensor(result.storage, target)
  }
}

extension [Int] {
  /// The shape with leading axes of extent 1 up to `rank` axes.
  fileprivate func padded(to rank: Int) -> [Int] { Array(repeating: 1, count: rank - count) + self }
}

extension Kernels {
  /// `out = f(a, b)` with both operands read with stride 0 along the axes that they are broadcast over.
  static func broadcast(
    _ a: Tensor, _ b: Tensor, _ shape: [Int],
    _ loop: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> Storage {
    let (x, y) = (float32(a.storage), float32(b.storage))
    defer { withExtendedLifetime((x, y)) {} }
    if a.shape == b.shape { return binary(x, y, loop) }
    let rank = shape.count
    let out = Storage(shape.reduce(1, *))
    let columns = shape.last ?? 1
    let (xStrides, yStrides) = (strides(a.shape, rank), strides(b.shape, rank))
    // A row operand with one column is spread over a row of its own, once a task.
    Parallel.blocks(columns == 0 ? 0 : out.count / columns, grain: rowGrain(columns)) { rows in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { spread in
        let spreadRow = spread.baseAddress.unsafelyUnwrapped
        for row in rows {
          var (rest, i, j) = (row, 0, 0)
          for axis in stride(from: rank - 2, through: 0, by: -1) {
            let index = rest % shape[axis]
            rest /= shape[axis]
            i += index * xStrides[axis]
            j += index * yStrides[axis]
          }
          var (p, q) = (UnsafePointer(x.floats + i), UnsafePointer(y.floats + j))
          if xStrides[rank - 1] == 0, columns > 1 {
            spreadRow.update(repeating: p.pointee, count: columns)
            p = UnsafePointer(spreadRow)
          } else if yStrides[rank - 1] == 0, columns > 1 {
            spreadRow.update(repeating: q.pointee, count: columns)
            q = UnsafePointer(spreadRow)
          }
          loop(p, q, out.floats + row * columns, columns)
        }
      }
    }
    return out
  }

  /// Row-major strides of `shape` padded to `rank` axes; 0 along axes of extent 1.
  private static func strides(_ shape: [Int], _ rank: Int) -> [Int] {
    var strides = Array(repeating: 0, count: rank)
    var step = 1
    for (axis, extent) in zip((0..<rank).reversed(), shape.reversed()) {
      strides[axis] = extent == 1 ? 0 : step
      step *= extent
    }
    return strides
  }
}
