internal import Foundation
internal import Synchronization

/// Recycles aligned memory blocks by size class.
///
/// First touch of fresh pages runs at 2–4 GB/s here, a fifth of what reuse gives, so a training step that allocated every
/// intermediate anew would pay several times over. Blocks are never returned to the system: a step needs them again.
enum BlockPool {
  private struct State {
    var free: [Int: [UnsafeMutableRawPointer]] = [:]
    var held = 0
  }
  // Unchecked: the pointers in it are unowned blocks, reachable from nowhere else.
  private struct Shelf: @unchecked Sendable { var state = State() }
  private static let shelf = Mutex(Shelf())

  /// Smallest size class that holds `bytes`: multiples of 64 up to 1 KiB, then eight classes a power of two.
  static func sizeClass(_ bytes: Int) -> Int {
    if bytes <= 1024 { return max(64, (bytes + 63) & ~63) }
    let step = 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount - 4)
    return (bytes + step - 1) & ~(step - 1)
  }

  /// A block of at least `bytes` bytes, aligned to 64; its contents are undefined.
  static func take(_ bytes: Int) -> UnsafeMutableRawPointer {
    let size = sizeClass(bytes)
    if let block = shelf.withLock({ $0.state.free[size]?.popLast() }) { return block }
    shelf.withLock { $0.state.held += size }
    // Large blocks begin at a huge page, which makes their first touch several times cheaper.
    let huge = size >= 4 << 20
    var block: UnsafeMutableRawPointer?
    guard posix_memalign(&block, huge ? 2 << 20 : 64, size) == 0, let block else {
      fatalError("memory: expected \(size) bytes more, found none; \(held >> 20) MiB are in use by tensors")
    }
    if huge { madvise(block, size, MADV_HUGEPAGE) }
    return block
  }

  /// Gives a block back under the size it was taken with.
  static func give(_ block: UnsafeMutableRawPointer, _ bytes: Int) {
    shelf.withLock { $0.state.free[sizeClass(bytes), default: []].append(block) }
  }

  /// Bytes taken from the system so far.
  static var held: Int { shelf.withLock { $0.state.held } }
}
