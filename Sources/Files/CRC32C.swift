internal import CChecksum

/// The Castagnoli cyclic redundancy check, as in iSCSI, ext4 and TensorBoard's record files.
///
///     polynomial 0x1EDC6F41, reflected; initial value and final mask 0xFFFFFFFF
///
/// The processor's instruction where there is one, else sixteen tables, which take sixteen bytes a step.
///
/// - Source: RFC 3720, appendix B.4.
public struct CRC32C: Sendable {
  private var state: UInt32 = 0xFFFF_FFFF

  /// The check of nothing, 0.
  public init() {}

  /// The check of all bytes so far.
  public var value: UInt32 { ~state }

  /// The check of `bytes` alone.
  public static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var crc = CRC32C()
    crc.update(bytes)
    return crc.value
  }

  /// The check of `bytes` alone.
  public static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    Array(bytes).withUnsafeBytes { checksum($0) }
  }

  /// Appends bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard Self.hasInstruction else {
      state = Self.update(state, bytes)
      return
    }
    guard let base = bytes.baseAddress else { return }
    state = cc_crc32c(state, base.assumingMemoryBound(to: UInt8.self), bytes.count)
  }

  private static let hasInstruction = cc_has_crc32c() != 0

  /// Appends bytes of which only the check is known.
  ///
  /// The check of A followed by B is that of A moved on by B's length, times x⁸ for each of its bytes, plus that of B.
  ///
  /// - Parameters:
  ///   - checksum: The check of the bytes alone.
  ///   - byteCount: How many they are.
  package mutating func append(_ checksum: UInt32, of byteCount: Int) {
    var (moved, rest, power) = (value, byteCount, 3)
    while rest > 0 {
      if rest & 1 == 1 { moved = Self.product(moved, Self.powers[power]) }
      (rest, power) = (rest >> 1, power + 1)
    }
    state = ~(moved ^ checksum)
  }

  /// The product of two polynomials modulo the check's own, reflected: the highest bit is x⁰.
  private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
    var (sum, shifted, bit): (UInt32, UInt32, UInt32) = (0, b, 1 << 31)
    while bit != 0 {
      if a & bit != 0 { sum ^= shifted }
      shifted = (shifted >> 1) ^ (shifted & 1 == 1 ? 0x82F6_3B78 : 0)
      bit >>= 1
    }
    return sum
  }

  /// Entry n: x to the power of 2ⁿ, for lengths up to 2⁶³ bytes.
  private static let powers: [UInt32] = (1..<67).reduce(into: [1 << 30]) { powers, _ in
    powers.append(product(powers[powers.count - 1], powers[powers.count - 1]))
  }

  /// The register after `bytes`, by tables.
  package static func update(_ state: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    guard let start = bytes.baseAddress else { return state }
    return Self.tables.withUnsafeBufferPointer { tables in
      // Unsafe pointers without bounds checks: `index + 16 <= count` guards the words, one byte selects of 256 entries.
      guard let table = tables.baseAddress else { return state }
      var crc = state
      var index = 0
      while index &+ 16 <= bytes.count {
        let low = UInt64(littleEndian: (start + index).loadUnaligned(as: UInt64.self)) ^ UInt64(crc)
        let high = UInt64(littleEndian: (start + index + 8).loadUnaligned(as: UInt64.self))
        let a = table[3840 &+ Int(low & 255)] ^ table[3584 &+ Int((low &>> 8) & 255)]
        let b = table[3328 &+ Int((low &>> 16) & 255)] ^ table[3072 &+ Int((low &>> 24) & 255)]
        let c = table[2816 &+ Int((low &>> 32) & 255)] ^ table[2560 &+ Int((low &>> 40) & 255)]
        let d = table[2304 &+ Int((low &>> 48) & 255)] ^ table[2048 &+ Int(low &>> 56)]
        let e = table[1792 &+ Int(high & 255)] ^ table[1536 &+ Int((high &>> 8) & 255)]
        let f = table[1280 &+ Int((high &>> 16) & 255)] ^ table[1024 &+ Int((high &>> 24) & 255)]
        let g = table[768 &+ Int((high &>> 32) & 255)] ^ table[512 &+ Int((high &>> 40) & 255)]
        let h = table[256 &+ Int((high &>> 48) & 255)] ^ table[Int(high &>> 56)]
        crc = ((a ^ b) ^ (c ^ d)) ^ ((e ^ f) ^ (g ^ h))
        index &+= 16
      }
      while index < bytes.count {
        let byte = (start + index).load(as: UInt8.self)
        crc = (crc &>> 8) ^ table[Int((crc ^ UInt32(byte)) & 255)]
        index &+= 1
      }
      return crc
    }
  }

  /// Entry `256·n + b`: the register after byte `b` and then `n` zero bytes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 16 * 256)
    for byte in 0..<256 {
      var crc = UInt32(byte)
      for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
      tables[byte] = crc
    }
    for index in 256..<tables.count {
      let previous = tables[index - 256]
      tables[index] = (previous >> 8) ^ tables[Int(previous & 255)]
    }
    return tables
  }()
}
