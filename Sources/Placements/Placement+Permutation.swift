extension Placement {
  /// The order in which experts lie in memory when each device holds a contiguous group.
  public struct Permutation: Sendable, Equatable {
    /// Physical position → original expert: devices ascending, within a device by original id.
    public let order: [Int]
    /// Original expert → physical position.
    public let inverse: [Int]

    /// Sorts experts by device, stably.
    ///
    /// - Parameter expertDevice: π, expert → device.
    public init(_ expertDevice: [Int]) {
      order = expertDevice.indices.sorted { (expertDevice[$0], $0) < (expertDevice[$1], $1) }
      var inverse = [Int](repeating: 0, count: order.count)
      for (position, expert) in order.enumerated() { inverse[expert] = position }
      self.inverse = inverse
    }
  }
}
