import Foundation
import Testing

@testable import Tensors

@Suite struct WeightEncodingTests {
  private static let encodings = [WeightEncoding.float32, .bfloat16, .float16]

  private func convert(_ bytes: [UInt8], _ from: WeightEncoding, _ to: WeightEncoding) -> [UInt8] {
    var target = [UInt8](repeating: 0xAA, count: bytes.count / from.byteCount * to.byteCount)
    bytes.withUnsafeBytes { source in
      target.withUnsafeMutableBytes { from.convert(source, into: $0, as: to) }
    }
    return target
  }

  private func bytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  /// Numbers that all three types hold exactly come through every conversion; 100,000 of them take several blocks.
  @Test func exactNumbersSurviveEveryWay() {
    let floats = (0..<100_000).map { Float($0 % 255) / 16 - 7 }
    let stored: [WeightEncoding: [UInt8]] = [
      .float32: bytes(floats), .bfloat16: bytes(floats.map { UInt16($0.bitPattern >> 16) }),
      .float16: bytes(floats.map { Float16($0).bitPattern }),
    ]
    for from in Self.encodings {
      for to in Self.encodings { #expect(convert(stored[from] ?? [], from, to) == stored[to], "\(from) to \(to)") }
    }
  }

  /// bfloat16 to float16 loses range, not precision; the other way rounds to nearest even.
  @Test func narrowerTypesRound() {
    let halves: [Float16] = [1 + 0x1p-8, 1 + 0x3p-8, 65504, 0x1p-24]
    #expect(
      convert(bytes(halves.map(\.bitPattern)), .float16, .bfloat16)
        == bytes([0x3F80, 0x3F82, 0x4780, 0x3380] as [UInt16]))
    let large = bytes([UInt16(Float(70_000).bitPattern >> 16)])
    #expect(convert(large, .bfloat16, .float16) == bytes([Float16.infinity.bitPattern]))
  }

  @Test func theFirstNumberThatIsNotFiniteIsFound() {
    for encoding in Self.encodings {
      var floats = [Float](repeating: -1.5, count: 70_000)
      #expect(convert(bytes(floats), .float32, encoding).withUnsafeBytes { encoding.firstNonFinite(in: $0) == nil })
      floats[69_999] = .nan
      floats[40_001] = -.infinity
      let found = convert(bytes(floats), .float32, encoding).withUnsafeBytes { encoding.firstNonFinite(in: $0) }
      #expect(found?.index == 40_001 && found?.value == -.infinity, "\(encoding)")
    }
    #expect(WeightEncoding.bfloat16.firstNonFinite(in: .init(start: nil, count: 0)) == nil)
  }

  /// As weights are stored, without a float32 copy.
  @Test func tensorsOfEitherTypeAreChecked() {
    let good = Tensor([1, -2, .greatestFiniteMagnitude])
    #expect(good.isFinite && Tensor([1, 2]).stored(as: .bfloat16).isFinite)
    // The largest float32 rounds to infinity.
    #expect(!good.stored(as: .bfloat16).isFinite && !Tensor([0, .nan]).isFinite)
  }
}
