/// GPT-2's reversible spelling of bytes as visible characters: a space is `Ġ`, a newline `Ċ`.
///
/// - Source: Radford et al. 2019, `bytes_to_unicode` in the GPT-2 code.
enum ByteLevelAlphabet {
  /// Scalar of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (0..<256).map { byte -> Unicode.Scalar in
      let isVisible = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      if isVisible { return Unicode.Scalar(UInt8(byte)) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? "?"  // 256...323 are all scalars
    }
  }()

  private static let bytes: [UInt8?] = {
    var table = [UInt8?](repeating: nil, count: 324)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = UInt8(byte) }
    return table
  }()

  /// The bytes that a token stands for; a token with any character outside of the alphabet stands for itself.
  static func decode(_ token: String) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(token.utf8.count)
    for scalar in token.unicodeScalars {
      guard scalar.value < 324, let byte = bytes[Int(scalar.value)] else { return Array(token.utf8) }
      result.append(byte)
    }
    return result
  }
}
