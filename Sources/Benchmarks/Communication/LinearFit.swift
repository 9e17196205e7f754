/// A straight line through points by least squares, and how well it tells points that it has not seen.
public struct LinearFit: Sendable, Equatable, Encodable {
  /// y = intercept + slope · x
  public let intercept, slope: Double
  /// (predicted − measured) / measured of each point, predicted by the line through all others.
  public let leftOut: [Double]

  private enum CodingKeys: String, CodingKey {
    case intercept, slope
    case leftOut = "left_out"
  }

  /// Fits a line.
  ///
  /// - Parameters:
  ///   - x: At least three numbers that are not all the same, whichever is left out.
  ///   - y: As many.
  public init?(_ x: [Double], _ y: [Double]) {
    precondition(x.count == y.count, "LinearFit: \(x.count) and \(y.count) coordinates")
    guard x.count >= 3, let line = Self.line(x, y) else { return nil }
    (intercept, slope) = line
    var errors: [Double] = []
    for index in x.indices {
      let others = x.indices.filter { $0 != index }
      guard let line = Self.line(others.map { x[$0] }, others.map { y[$0] }) else { return nil }
      errors.append((line.intercept + line.slope * x[index]) / y[index] - 1)
    }
    leftOut = errors
  }

  /// The largest of the errors, without its sign.
  public var worst: Double { leftOut.reduce(0) { abs($1) <= $0 ? $0 : abs($1) } }

  private static func line(_ x: [Double], _ y: [Double]) -> (intercept: Double, slope: Double)? {
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    let spread = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    guard spread > 0 else { return nil }
    let slope = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) } / spread
    return (meanY - slope * meanX, slope)
  }
}
