internal import Foundation
internal import Synchronization

/// What the program is doing, for the last words of a process that runs out of memory.
///
/// Kept as bytes that a signal handler can print, in memory that is there from the beginning.
package enum Activity {
  static let capacity = 200
  // Unsafe only in the compiler's eyes: writers hold the lock, and a handler that prints a note that is being changed
  // prints some of both.
  nonisolated(unsafe) static let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
  static let count = Atomic<Int>(0)
  private static let writers = Mutex(())

  /// Says what is done from now on: `reading base.h5`.
  ///
  /// - Parameter text: Goes on after "memory: expected more for"; cut where it is too long.
  package static func note(_ text: String) {
    writers.withLock { _ in
      count.store(0, ordering: .releasing)
      var length = 0
      for byte in text.utf8.prefix(capacity) {
        // Names of files may hold anything; a terminal gets none of it.
        bytes[length] = byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte
        length += 1
      }
      count.store(length, ordering: .releasing)
    }
  }

  /// What was noted last.
  package static var current: String {
    String(decoding: UnsafeBufferPointer(start: bytes, count: count.load(ordering: .acquiring)), as: UTF8.self)
  }

  /// Says what is done while `body` runs.
  package static func during<Result, Failure>(
    _ text: String, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let before = current
    note(text)
    defer { note(before) }
    return try body()
  }
}
