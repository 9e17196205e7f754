/// How alike a layer's experts are in what they put out, on the same tokens whether they chose the expert or not.
///
///     s_ij = 1 − ‖O_i − O_j‖_F / (‖O_i‖_F + ‖O_j‖_F)          O_e, `[tokens, hidden]`: unweighted outputs of expert e
///
/// 1 for equal outputs, 0 for opposite ones, 1 − 1/√2 ≈ 0.29 for uncorrelated ones of one norm. Sums run batch by batch
/// in double precision over differences themselves: a difference of two large sums would lose what is nearly alike.
///
/// - Source: SERE (2026) compares experts so, by the relative Frobenius distance of their outputs.
public struct OutputSimilarity: Sendable, Equatable {
  /// E.
  public let experts: Int
  /// Tokens added.
  public private(set) var tokens = 0
  /// `[E, E]`: Σ (O_i − O_j)² above the diagonal, Σ O_i² on it.
  private var sums: [Double]

  /// Nothing added yet.
  ///
  /// - Parameter experts: E.
  public init(experts: Int) {
    self.experts = experts
    sums = [Double](repeating: 0, count: experts * experts)
  }

  /// Adds the outputs of all experts for some tokens.
  ///
  /// - Parameters:
  ///   - outputs: `[E, tokens, hidden]`.
  ///   - tokens: how many.
  ///   - run: runs numbered tasks, in any order or side by side; each writes sums of its own.
  public mutating func add(
    _ outputs: UnsafeBufferPointer<Float>, tokens: Int,
    run: (Int, (Int) -> Void) -> Void = { count, task in for index in 0..<count { task(index) } }
  ) {
    precondition(
      tokens > 0 && outputs.count.isMultiple(of: experts * tokens),
      "OutputSimilarity: \(outputs.count) outputs of \(experts) experts for \(tokens) tokens")
    guard let base = outputs.baseAddress else { return }
    let count = outputs.count / experts
    self.tokens += tokens
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      run(experts) { i in
        sums[i * experts + i] += Self.squares(base + i * count, nil, count)
        for j in i + 1..<max(experts, i + 1) {
          sums[i * experts + j] += Self.squares(base + i * count, base + j * count, count)
        }
      }
    }
  }

  /// s, `[E, E]`: symmetric with a diagonal of 1. Experts that put out nothing but zeros are equal.
  public var table: [Float] {
    var table = [Float](repeating: 1, count: experts * experts)
    for i in 0..<experts {
      for j in i + 1..<max(experts, i + 1) {
        let norms = sums[i * experts + i].squareRoot() + sums[j * experts + j].squareRoot()
        let likeness = norms == 0 ? 1 : 1 - sums[i * experts + j].squareRoot() / norms
        // The triangle inequality keeps it within 0...1 but for rounding; NaN stays NaN.
        let value = Float(likeness < 0 ? 0 : likeness)
        table[i * experts + j] = value
        table[j * experts + i] = value
      }
    }
    return table
  }

  /// Σ (a − b)², or Σ a² without b: vectors of 16 over 512 elements, then double precision.
  private static func squares(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>?, _ count: Int) -> Double {
    var sum = 0.0
    var next = 0
    while next < count {
      let end = min(next + 512, count)
      var lanes = SIMD16<Float>(repeating: 0)
      while next + 16 <= end {
        var x = UnsafeRawPointer(a + next).loadUnaligned(as: SIMD16<Float>.self)
        if let b { x -= UnsafeRawPointer(b + next).loadUnaligned(as: SIMD16<Float>.self) }
        lanes += x * x
        next += 16
      }
      for lane in 0..<16 { sum += Double(lanes[lane]) }
      while next < end {
        let x = Double(a[next]) - Double(b?[next] ?? 0)
        sum += x * x
        next += 1
      }
    }
    return sum
  }
}
