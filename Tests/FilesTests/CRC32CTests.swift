import Testing

@testable import Files

@Suite struct CRC32CTests {
  /// - Source: RFC 3720, appendix B.4; "123456789" from the catalogue of parametrised CRC algorithms.
  private static let vectors: [(bytes: [UInt8], checksum: UInt32)] = [
    (Array("123456789".utf8), 0xE306_9283),
    ([], 0),
    ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
    ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
    (Array(0..<32), 0x46DD_794E),
    (Array((0..<32).reversed()), 0x113F_DB5C),
  ]

  @Test(arguments: vectors)
  func matchesPublishedVectors(bytes: [UInt8], expected: UInt32) {
    #expect(CRC32C.checksum(bytes) == expected)
  }

  @Test func piecesGiveTheSameAsTheWhole() {
    let all = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 37 + $0 / 8) }
    for cut in [0, 1, 7, 15, 16, 17, 500, 999, 1000] {
      var crc = CRC32C()
      all[..<cut].withUnsafeBytes { crc.update($0) }
      all[cut...].withUnsafeBytes { crc.update($0) }
      #expect(crc.value == bitwise(all), "cut at \(cut)")
      let tables = all[cut...].withUnsafeBytes {
        CRC32C.update(all[..<cut].withUnsafeBytes { CRC32C.update(~0, $0) }, $0)
      }
      #expect(~tables == bitwise(all), "cut at \(cut), by tables")
    }
  }

  /// The definition, bit by bit.
  private func bitwise(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }
}
