/// A machine as its owner measured it: a fixed time plus a time per copy.
///
///     t(C) = fixed + perCopy · C          least squares over measured (copies, seconds)
///
/// It speaks for the machine, model and batch that were measured, and for nothing else.
public struct MeasuredTime: Sendable, Equatable, Encodable {
  /// One measurement.
  public struct Point: Sendable, Equatable, Encodable {
    /// E[C_T], devices per token.
    public let copies: Double
    /// Seconds, of anything that is always the same work.
    public let seconds: Double

    /// A measurement.
    ///
    /// - Parameters:
    ///   - copies: devices per token, above 0.
    ///   - seconds: above 0.
    public init(copies: Double, seconds: Double) {
      self.copies = copies
      self.seconds = seconds
    }
  }

  /// A measurement beside what the fit says of it.
  public struct Check: Sendable, Equatable, Encodable {
    /// What was measured.
    public let point: Point
    /// What the fit says.
    public let predicted: Double
    /// predicted / measured − 1.
    public var error: Double { predicted / point.seconds - 1 }

    enum CodingKeys: String, CodingKey { case copies, seconds, predicted, error }

    /// Writes the point's figures beside the prediction.
    ///
    /// - Parameter encoder: any.
    /// - Throws: the encoder's own error.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(point.copies, forKey: .copies)
      try container.encode(point.seconds, forKey: .seconds)
      try container.encode(predicted, forKey: .predicted)
      try container.encode(error, forKey: .error)
    }
  }

  /// Seconds without any copy.
  public let fixed: Double
  /// Seconds per copy.
  public let perCopy: Double
  /// The measurements, by copies.
  public let points: [Point]

  enum CodingKeys: String, CodingKey {
    case fixed, points
    case perCopy = "per_copy"
  }

  /// Fits a line.
  ///
  /// - Parameter points: at least two, with different copies.
  /// - Throws: `PlanError.points` where no line goes through them, or one that falls.
  public init(_ points: [Point]) throws(PlanError) {
    let count = Double(points.count)
    let meanCopies = points.reduce(0) { $0 + $1.copies } / max(count, 1)
    let meanSeconds = points.reduce(0) { $0 + $1.seconds } / max(count, 1)
    let spread = points.reduce(0) { $0 + ($1.copies - meanCopies) * ($1.copies - meanCopies) }
    guard spread > 0 else {
      throw .points(expected: "at least two with different copies", found: "\(points.count) with the same")
    }
    let slope = points.reduce(0) { $0 + ($1.copies - meanCopies) * ($1.seconds - meanSeconds) } / spread
    guard slope > 0 else {
      throw .points(expected: "a time that rises with copies", found: "one that does not")
    }
    perCopy = slope
    fixed = meanSeconds - slope * meanCopies
    self.points = points.sorted { $0.copies < $1.copies }
  }

  /// Seconds at so many copies.
  ///
  /// - Parameter copies: devices per token.
  /// - Returns: fixed + perCopy · copies.
  public func seconds(_ copies: Double) -> Double { fixed + perCopy * copies }

  /// Whether `copies` lies outside what was measured.
  ///
  /// - Parameter copies: devices per token.
  /// - Returns: whether the line is followed beyond its points.
  public func isExtrapolated(_ copies: Double) -> Bool {
    copies < points.first?.copies ?? copies || copies > points.last?.copies ?? copies
  }

  /// Other measurements beside the fit.
  ///
  /// - Parameter points: measured, not fitted.
  /// - Returns: one a point.
  public func check(_ points: [Point]) -> [Check] {
    points.map { Check(point: $0, predicted: seconds($0.copies)) }
  }
}
