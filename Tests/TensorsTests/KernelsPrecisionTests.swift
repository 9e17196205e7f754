import CKernels
import Foundation
import Testing

@Suite struct KernelsPrecisionTests {
  static func toBFloat16(_ values: [Float]) -> [UInt16] {
    var out = Array(repeating: UInt16(0), count: values.count)
    ck_f32_to_bf16(values, &out, values.count)
    return out
  }
  static func toHalf(_ values: [Float]) -> [UInt16] {
    var out = Array(repeating: UInt16(0), count: values.count)
    ck_f32_to_f16(values, &out, values.count)
    return out
  }

  /// Every bfloat16 pattern is the upper half of a float32, and comes back as it was.
  @Test func allBFloat16Patterns() {
    let patterns = Array(UInt16.min...UInt16.max)
    var floats = Array(repeating: Float(0), count: patterns.count)
    ck_bf16_to_f32(patterns, &floats, patterns.count)
    #expect(floats.map(\.bitPattern) == patterns.map { UInt32($0) << 16 })
    let back = Self.toBFloat16(floats)
    for (pattern, result) in zip(patterns, back) {
      // A signalling NaN comes back quiet.
      let expected = pattern & 0x7FFF > 0x7F80 ? pattern | 0x40 : pattern
      if result != expected { Issue.record("\(pattern) comes back as \(result)") }
    }
  }

  /// Half-way cases go to the even neighbour; overflow goes to infinity; NaN never becomes infinity.
  @Test func bfloat16Rounding() {
    let cases: [(UInt32, UInt16)] = [
      (0x3F80_8000, 0x3F80),  // tie, even below
      (0x3F81_8000, 0x3F82),  // tie, even above
      (0x3F80_8001, 0x3F81), (0x3F80_7FFF, 0x3F80),
      (0xBF81_8000, 0xBF82),  // the same for negative numbers
      (0x7F7F_FFFF, 0x7F80),  // the largest float32 rounds to infinity
      (0x7F80_0000, 0x7F80), (0xFF80_0000, 0xFF80),
      (0x7F80_0001, 0x7FC0),  // a NaN whose payload is in the lower half only
      (0xFFFF_FFFF, 0xFFFF), (0x0000_0001, 0x0000), (0x0000_8001, 0x0001), (0x8000_0000, 0x8000),
    ]
    // Repeated and shifted, so that every case meets every lane and the remainder loop.
    for shift in 0..<cases.count {
      let turned = cases[shift...] + cases + cases[..<shift]
      #expect(Self.toBFloat16(turned.map { Float(bitPattern: $0.0) }) == turned.map(\.1))
    }
  }

  @Test(arguments: KernelsElementwiseTests.lengths) func bfloat16IsTheNearest(n: Int) {
    let values = KernelsElementwiseTests.random(n, seed: 1)
    for (value, pattern) in zip(values, Self.toBFloat16(values)) {
      let rounded = Double(Float(bitPattern: UInt32(pattern) << 16))
      let up = Double(Float(bitPattern: UInt32(pattern + 1) << 16))
      let down = Double(Float(bitPattern: UInt32(pattern &- 1) << 16))
      let error = abs(rounded - Double(value))
      #expect(error <= abs(up - Double(value)) && error <= abs(down - Double(value)))
    }
  }

  /// Value of an IEEE half-precision pattern, from its definition.
  static func value(half bits: UInt16) -> Double {
    let (sign, exponent, fraction) = (bits >> 15 == 0 ? 1.0 : -1.0, Int(bits >> 10 & 31), Double(bits & 1023))
    switch exponent {
    case 0: return sign * fraction * pow(2, -24)
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * (1 + fraction / 1024) * pow(2, Double(exponent - 15))
    }
  }

  /// All 65,536, subnormals included, to float32 and back.
  @Test func allHalfPatterns() {
    let patterns = Array(UInt16.min...UInt16.max)
    var floats = Array(repeating: Float(0), count: patterns.count)
    ck_f16_to_f32(patterns, &floats, patterns.count)
    let back = Self.toHalf(floats)
    for (pattern, (float, result)) in zip(patterns, zip(floats, back)) {
      let expected = Self.value(half: pattern)
      if expected.isNaN {
        if !(float.isNaN && Self.value(half: result).isNaN) { Issue.record("NaN \(pattern) became \(float)") }
      } else if Double(float) != expected || result != pattern {
        Issue.record("\(pattern): expected \(expected), found \(float), back as \(result)")
      }
    }
  }

  @Test func halfRounding() {
    let tiny = Float(sign: .plus, exponent: -24, significand: 1)  // the smallest subnormal
    let cases: [(Float, UInt16)] = [
      (65504, 0x7BFF), (65519.996, 0x7BFF), (65520, 0x7C00), (1e30, 0x7C00), (-1e30, 0xFC00), (.infinity, 0x7C00),
      (tiny, 1), (tiny / 2, 0), (tiny * 0.75, 1), (tiny * 1.5, 2), (tiny * 2.5, 2), (-tiny / 2, 0x8000), (1e-30, 0),
      (1 + 1 / 2048, 0x3C00), (1 + 3 / 2048, 0x3C02), (1 + 1.001 / 2048, 0x3C01), (-0.0, 0x8000),
    ]
    for shift in 0..<cases.count {
      let turned = cases[shift...] + cases[..<shift]
      #expect(Self.toHalf(turned.map(\.0)) == turned.map(\.1))
    }
    #expect(Self.value(half: Self.toHalf([.nan])[0]).isNaN)
  }

  @Test(arguments: KernelsElementwiseTests.lengths) func everyLength(n: Int) {
    let values = KernelsElementwiseTests.random(n, seed: 2)
    let single = values.flatMap { Self.toBFloat16([$0]) }
    #expect(Self.toBFloat16(values) == single)
    #expect(Self.toHalf(values) == values.flatMap { Self.toHalf([$0]) })
    let wide = KernelsElementwiseTests.output(n) { ck_bf16_to_f32(single, $0, n) }
    #expect(wide.map(\.bitPattern) == single.map { UInt32($0) << 16 })
    let halves = Self.toHalf(values)
    expectClose(
      KernelsElementwiseTests.output(n) { ck_f16_to_f32(halves, $0, n) }, halves.map(Self.value(half:)), rtol: 0,
      atol: 0)
  }
}
