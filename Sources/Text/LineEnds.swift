/// Line ends of plain text files.
package enum LineEnds {
  /// A text with `\r\n` and `\r` as `\n`, as Python's `open()` reads a file: what a model learns or is measured on does
  /// not depend on where a file was written. What a JSON string or a task holds stays as it is.
  ///
  /// - Returns: The text, and how many line ends were replaced.
  package static func universal(_ bytes: [UInt8]) -> (text: String, replaced: Int) {
    let (feed, newline) = (UInt8(ascii: "\r"), UInt8(ascii: "\n"))
    guard bytes.contains(feed) else { return (String(decoding: bytes, as: UTF8.self), 0) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var replaced = 0
    for (index, byte) in bytes.enumerated() {
      if byte == newline, index > 0, bytes[index - 1] == feed { continue }
      if byte == feed { replaced += 1 }
      result.append(byte == feed ? newline : byte)
    }
    return (String(decoding: result, as: UTF8.self), replaced)
  }

  /// What a person is told of it; nil where nothing was replaced.
  package static func note(_ file: String, replaced: Int) -> String? {
    replaced == 0 ? nil : "\(file): \(replaced) line ends \\r\\n or \\r read as \\n"
  }
}
