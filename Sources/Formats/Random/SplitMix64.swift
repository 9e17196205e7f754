/// A small random stream with a written-down seed: the same numbers on every machine and in every release.
///
///     z ← state += 0x9E3779B97F4A7C15;  z ← (z ⊕ z≫30)·a;  z ← (z ⊕ z≫27)·b;  z ⊕ z≫31
///
/// - Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
package struct SplitMix64: RandomNumberGenerator, Sendable, Equatable {
  @usableFromInline package var state: UInt64

  /// A stream from its seed.
  @inlinable package init(seed: UInt64) { state = seed }

  /// A stream of its own for each item (token, layer) of a seeded job.
  @inlinable package init(seed: UInt64, item: Int) {
    state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mix(UInt64(bitPattern: Int64(item)) &+ 0xD1B5_4A32_D192_ED03)
  }

  /// A stream for one use of a seed.
  ///
  /// - Parameters:
  ///   - seed: What the user calls the seed.
  ///   - stream: Numbers that tell the uses of one seed apart (a purpose, an epoch).
  package init(seed: UInt64, stream: UInt64...) {
    state = seed
    for value in stream { state = next() ^ (value &* 0xD1B5_4A32_D192_ED03) }
  }

  /// The next 64 bits.
  @inlinable package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  /// A number in `0..<bound`, by multiplication: one draw each, so that the stream's position stays predictable.
  @inlinable package mutating func below(_ bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A number in `0..<bound`, each exactly as likely as the others, for as many draws as that takes.
  ///
  /// The standard library's own method may change from version to version.
  /// - Source: Lemire 2019, "Fast random integer generation in an interval".
  package mutating func uniform(below bound: Int) -> Int {
    precondition(bound > 0, "uniform(below: \(bound)): the bound must be positive")
    let bound = UInt64(bound)
    while true {
      let (high, low) = next().multipliedFullWidth(by: bound)
      // Products whose low part is below 2^64 mod bound would be too likely.
      if low >= bound || low >= (0 &- bound) % bound { return Int(high) }
    }
  }

  /// A number in 0..<1 with 53 random bits.
  @inlinable package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Brings items into an order that depends on the stream alone (Fisher–Yates, a draw an item).
  package mutating func shuffle<Item>(_ items: inout [Item]) {
    for last in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(last, below(last + 1)) }
  }

  /// The numbers `0..<count` in an order of which each is exactly as likely (Fisher–Yates).
  package mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, uniform(below: last + 1)) }
    return order
  }

  @inlinable package static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
