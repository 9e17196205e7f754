/// A 64-bit FNV-1a hash that does not change from run to run, unlike `Hasher`.
package struct StableHash: Sendable {
  private var state: UInt64 = 0xCBF2_9CE4_8422_2325

  /// A hash of nothing yet.
  package init() {}

  /// Adds a number, byte by byte from the lowest.
  package mutating func combine(_ value: Int) {
    var rest = UInt64(bitPattern: Int64(value))
    for _ in 0..<8 {
      combine(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Adds the bytes of a text and its length.
  package mutating func combine(_ text: String) {
    for byte in text.utf8 { combine(byte) }
    combine(text.utf8.count)
  }

  private mutating func combine(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }

  /// The hash as 64 bits.
  package var value: UInt64 { state }

  /// The hash as 16 hexadecimal digits.
  package var hexadecimal: String {
    let digits = String(state, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
