/// A small random stream with a written-down seed: the same numbers on every machine and in every release.
///
///     z ← state += 0x9E3779B97F4A7C15;  z ← (z ⊕ z≫30)·a;  z ← (z ⊕ z≫27)·b;  z ⊕ z≫31
///
/// - Source: Steele, Lea, Flood 2014, SplitMix64.
package struct SplitMix64: RandomNumberGenerator, Sendable, Equatable {
  private var state: UInt64

  /// A stream from its seed.
  package init(seed: UInt64) { state = seed }

  /// A stream of its own for each item (token, layer) of a seeded job.
  init(seed: UInt64, item: Int) {
    state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mix(UInt64(bitPattern: Int64(item)) &+ 0xD1B5_4A32_D192_ED03)
  }

  /// The next 64 bits.
  @inline(__always)
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  /// A number in `0..<bound`, by multiplication: one draw each, so that the stream's position stays predictable.
  @inline(__always)
  package mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// A number in 0..<1 with 53 random bits.
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Fisher–Yates, written here so that no release of the standard library changes a placement.
  mutating func shuffle<Element>(_ items: inout [Element]) {
    for last in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(last, below(last + 1)) }
  }

  @inline(__always)
  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
