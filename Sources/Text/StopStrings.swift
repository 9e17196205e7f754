/// Watches a text that comes in pieces for strings that end it.
///
///     var stops = StopStrings(["\n\n"])
///     stops.take(piece)      // what surely stands before any of them
///
/// Bytes that may be the beginning of such a string are held back until more has come.
public struct StopStrings: Sendable {
  private let patterns: [[UInt8]]
  private var held: [UInt8] = []
  /// Whether one of the strings has come.
  public private(set) var isStopped = false

  /// A watch for strings; empty ones are left out.
  public init(_ strings: [String]) {
    patterns = strings.map { Array($0.utf8) }.filter { !$0.isEmpty }
  }

  /// Takes in the next bytes.
  ///
  /// - Parameter bytes: Of the text, wherever they are cut.
  /// - Returns: Bytes of the text that stand before the first of the strings, as far as that is certain.
  public mutating func take(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    if isStopped { return [] }
    held += bytes
    for start in held.indices {
      let rest = held[start...]
      if patterns.contains(where: { rest.starts(with: $0) }) {
        isStopped = true
        defer { held = [] }
        return Array(held[..<start])
      }
      if patterns.contains(where: { $0.starts(with: rest) }) {
        defer { held = Array(rest) }
        return Array(held[..<start])
      }
    }
    defer { held = [] }
    return held
  }

  /// Ends the text.
  ///
  /// - Returns: What was held back, which is text after all.
  public mutating func finish() -> [UInt8] {
    defer { held = [] }
    return held
  }
}
