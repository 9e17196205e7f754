internal import Foundation
internal import Synchronization

/// Names of files that are to go when a signal or the lack of memory ends the program at once.
///
/// A table that a signal handler can walk: slots in memory that is there from the beginning, each a C string or
/// nothing.
package enum TemporaryNames {
  /// A name's place in the table.
  package struct Slot: Sendable {
    fileprivate let index: Int
  }

  private static let count = 64
  // Unsafe only in the compiler's eyes: made once, and each slot is atomic.
  nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Atomic<UInt>> = {
    let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: count)
    for index in 0..<count { (slots + index).initialize(to: Atomic(0)) }
    return slots
  }()

  /// Makes the table, before any handler may walk it.
  static func prepare() { _ = slots }

  /// Takes a name into the table.
  ///
  /// - Parameter path: A file of ours.
  /// - Returns: nil where the table is full: then the next writer of the same name overwrites what is left.
  package static func add(_ path: String) -> Slot? {
    guard let name = strdup(path) else { return nil }
    for index in 0..<count
    where slots[index].compareExchange(expected: 0, desired: UInt(bitPattern: name), ordering: .acquiringAndReleasing)
      .exchanged
    {
      return Slot(index: index)
    }
    free(name)
    return nil
  }

  /// Takes a name out of the table, before or after the file got its final name.
  package static func remove(_ slot: Slot) {
    free(UnsafeMutableRawPointer(bitPattern: slots[slot.index].exchange(0, ordering: .acquiringAndReleasing)))
  }

  /// Removes every file in the table. May be called from a signal handler.
  static func unlinkAll() {
    for index in 0..<count {
      let name = UnsafePointer<CChar>(bitPattern: slots[index].exchange(0, ordering: .acquiringAndReleasing))
      if let name { unlink(name) }
    }
  }
}
