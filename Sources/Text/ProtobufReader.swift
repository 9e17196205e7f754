/// Why bytes are not a protocol-buffer message.
struct ProtobufError: Error, Equatable {
  let offset: Int
  let reason: String
}

/// Reads the fields of a protocol-buffer message, one after the other.
///
/// - Source: the wire format in the protocol-buffer documentation; groups, which nobody writes any more, are refused.
struct ProtobufReader {
  enum Value: Equatable {
    case integer(UInt64)
    /// Four bytes, little-endian.
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes(ArraySlice<UInt8>)
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The next field, `nil` at the end.
  mutating func next() throws(ProtobufError) -> (number: Int, value: Value)? {
    if rest.isEmpty { return nil }
    let key = try varint()
    guard let number = Int(exactly: key >> 3), number > 0 else { throw error("a field without number") }
    switch key & 7 {
    case 0: return (number, .integer(try varint()))
    case 1: return (number, .fixed64(try fixed(8)))
    case 2:
      let count = try varint()
      guard count <= UInt64(rest.count) else { throw error("a field of \(count) bytes where \(rest.count) are left") }
      defer { rest = rest.dropFirst(Int(count)) }
      return (number, .bytes(rest.prefix(Int(count))))
    case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    case let type: throw error("wire type \(type)")
    }
  }

  private func error(_ reason: String) -> ProtobufError { ProtobufError(offset: rest.startIndex, reason: reason) }

  private mutating func fixed(_ count: Int) throws(ProtobufError) -> UInt64 {
    guard rest.count >= count else { throw error("the end of the file inside a number") }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private mutating func varint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { throw error("the end of the file inside a number") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw error("a number of more than ten bytes")
  }
}
