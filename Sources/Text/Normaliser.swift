/// Rewrites text before it is cut into words.
enum Normaliser: Sendable {
  /// Unicode normal form C.
  case formC
  /// Puts a text before every piece that is not empty.
  case prepend([UInt8])
  /// Writes one text for another, which is not empty.
  case replace([UInt8], with: [UInt8])
  /// One after the other.
  case sequence([Normaliser])

  /// Normalises valid UTF-8.
  func callAsFunction(_ bytes: [UInt8]) -> [UInt8] {
    switch self {
    case .formC:
      // Nothing below U+0300 (first byte 0xCC) composes: such text is in form C already.
      return bytes.contains { $0 >= 0xCC } ? NormalFormC.normalise(bytes) : bytes
    case .prepend(let text):
      return bytes.isEmpty ? bytes : text + bytes
    case .replace(let old, let new):
      var result: [UInt8] = []
      result.reserveCapacity(bytes.count * 5 / 4)
      var index = 0
      while index < bytes.count {
        if bytes[index] == old[0], bytes[index...].starts(with: old) {
          result += new
          index += old.count
        } else {
          result.append(bytes[index])
          index += 1
        }
      }
      return result
    case .sequence(let steps):
      return steps.reduce(bytes) { $1($0) }
    }
  }
}
