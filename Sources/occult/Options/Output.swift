import ArgumentParser
import Foundation
import Text

// What this program says to a person goes through here: names and texts of files must not steer the terminal.

/// Prints text on standard output; see ``Printable/text(_:)``. It stands in front of the standard library's function.
func print(_ text: String) { write(Array((Printable.text(text) + "\n").utf8)) }

/// Text for standard error, where progress and warnings go.
func note(_ text: String) { say(text + "\n") }

/// The same without an end of the line.
func say(_ text: String) { StandardError.write(Printable.text(text)) }

/// Bytes to standard output as they are: for what was asked for by itself, such as JSON.
func write(_ bytes: [UInt8]) { StandardOutput.write(bytes) }

/// A text that was asked for by itself, of a model or a file, on its way to standard output: valid UTF-8 into files and
/// pipes, and as a terminal may show it. It comes in pieces of bytes, between which a character may be spread; what is
/// none, as a token may end inside one, is U+FFFD, as tokenizers decode it.
struct Verbatim {
  private let isTerminal: Bool
  /// Bytes of a character that is not complete yet.
  private var pending: [UInt8] = []

  init(isTerminal: Bool = isatty(STDOUT_FILENO) == 1) { self.isTerminal = isTerminal }

  /// What is written of the text once these bytes are there too.
  mutating func add(_ bytes: [UInt8]) -> [UInt8] {
    pending += bytes
    // A character has at most four bytes; its last ones may be to come.
    let start = pending.indices.suffix(3).last { pending[$0] >= 0xC0 } ?? pending.count
    let isOpen = start < pending.count && pending.count - start < Self.length(pending[start])
    return flush(isOpen ? start : pending.count)
  }

  /// What is left at the end.
  mutating func finish() -> [UInt8] { flush(pending.count) }

  private mutating func flush(_ count: Int) -> [UInt8] {
    defer { pending.removeFirst(count) }
    let text = String(decoding: pending[..<count], as: UTF8.self)
    return Array((isTerminal ? Printable.text(text) : text).utf8)
  }

  private static func length(_ first: UInt8) -> Int { first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4 }
}
