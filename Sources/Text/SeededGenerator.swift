/// SplitMix64: the same numbers from the same seed on every machine and with every Swift version.
///
/// - Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// - Parameters:
  ///   - seed: what the user calls the seed.
  ///   - stream: numbers that tell uses of one seed apart (a purpose, an epoch).
  public init(seed: UInt64, stream: UInt64...) {
    state = seed
    for value in stream { state = next() ^ (value &* 0xD1B5_4A32_D192_ED03) }
  }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// A number in `0..<bound`, every one as likely; the standard library's own method may change from version to version.
  public mutating func uniform(below bound: Int) -> Int {
    precondition(bound > 0, "uniform(below: \(bound)): the bound must be positive")
    let bound = UInt64(bound)
    while true {
      let (high, low) = next().multipliedFullWidth(by: bound)
      // Lemire 2019: products whose low part is below 2^64 mod bound would be too likely.
      if low >= bound || low >= (0 &- bound) % bound { return Int(high) }
    }
  }

  /// The numbers `0..<count` in random order (Fisher–Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, uniform(below: last + 1)) }
    return order
  }
}
