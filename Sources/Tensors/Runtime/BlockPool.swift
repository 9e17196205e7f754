internal import Host
internal import Foundation
internal import Synchronization

/// Recycles aligned memory blocks by size class.
///
/// First touch of fresh pages runs at 2–4 GB/s here, a fifth of what reuse gives, so a training step that allocated
/// every intermediate anew would pay several times over. A block may serve a request of up to a quarter less. Batches
/// differ in size from step to step, and their blocks in class: where none fits, large ones that nobody uses go back to
/// the system before a new one is taken, so that what is held stays near what is used at once.
final class BlockPool: Sendable {
  /// The pool that storage comes from.
  static let shared = BlockPool()

  private struct State {
    var free: [Int: [UnsafeMutableRawPointer]] = [:]
    /// Bytes taken from the system, and those of them that nobody uses.
    var held = 0, idle = 0
  }
  // Unchecked: the pointers in it are unowned blocks, reachable from nowhere else.
  private struct Shelf: @unchecked Sendable { var state = State() }
  private let shelf = Mutex(Shelf())

  /// Size of a huge page: blocks of at least two begin at one, which makes their first touch several times cheaper.
  private static let hugePage = 2 << 20
  /// Idle bytes that are kept whatever happens, and as a share of what is used.
  private static let spare = (bytes: 64 << 20, share: 8)

  /// Smallest size class that holds `bytes`: multiples of 64 up to 1 KiB, then eight classes a power of two.
  static func sizeClass(_ bytes: Int) -> Int {
    if bytes <= 1024 { return max(64, (bytes + 63) & ~63) }
    let step = 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount - 4)
    return (bytes + step - 1) & ~(step - 1)
  }

  /// A block of at least `bytes` bytes, aligned to 64, and how many it has; its contents are undefined.
  func take(_ bytes: Int) -> (address: UnsafeMutableRawPointer, capacity: Int) {
    let size = Self.sizeClass(bytes)
    let found = shelf.withLock { shelf -> (UnsafeMutableRawPointer, Int)? in
      var candidate = size
      while candidate <= size + size / 4 {
        if let block = shelf.state.free[candidate]?.popLast() {
          shelf.state.idle -= candidate
          return (block, candidate)
        }
        candidate = Self.sizeClass(candidate + 1)
      }
      releaseIdle(&shelf.state)
      shelf.state.held += size
      return nil
    }
    return found ?? (allocate(size), size)
  }

  /// Gives a block back.
  func give(_ block: UnsafeMutableRawPointer, capacity: Int) {
    shelf.withLock { shelf in
      shelf.state.free[capacity, default: []].append(block)
      shelf.state.idle += capacity
    }
  }

  /// Bytes taken from the system so far, less those given back to it.
  var held: Int { shelf.withLock { $0.state.held } }

  /// Gives large idle blocks back to the system, the largest first, until few are left.
  private func releaseIdle(_ state: inout State) {
    func limit() -> Int { max(Self.spare.bytes, (state.held - state.idle) / Self.spare.share) }
    while state.idle > limit() {
      let largest = state.free.max { ($0.value.isEmpty ? 0 : $0.key) < ($1.value.isEmpty ? 0 : $1.key) }
      guard let size = largest?.key, Self.isHuge(size), let block = state.free[size]?.popLast() else { return }
      munmap(block, size)
      state.idle -= size
      state.held -= size
    }
  }

  private static func isHuge(_ size: Int) -> Bool { size >= 2 * hugePage }

  /// A new block; where the system has none, every idle one goes back first. The process ends where that does not help.
  private func allocate(_ size: Int) -> UnsafeMutableRawPointer {
    if let block = Self.fromSystem(size) { return block }
    shelf.withLock { releaseAllIdle(&$0.state) }
    guard let block = Self.fromSystem(size) else { OutOfMemory.end(bytes: size) }
    // What was refused is mended: a later trap is not for want of memory.
    errno = 0
    return block
  }

  private static func fromSystem(_ size: Int) -> UnsafeMutableRawPointer? {
    if isHuge(size) { return mapped(size) }
    var block: UnsafeMutableRawPointer?
    return posix_memalign(&block, 64, size) == 0 ? block : nil
  }

  /// Gives every idle block back to the system.
  private func releaseAllIdle(_ state: inout State) {
    for (size, blocks) in state.free {
      for block in blocks { if Self.isHuge(size) { munmap(block, size) } else { free(block) } }
    }
    state.held -= state.idle
    (state.free, state.idle) = ([:], 0)
  }

  /// Memory of its own that begins at a huge page; what is mapped too much at both ends is given back.
  private static func mapped(_ size: Int) -> UnsafeMutableRawPointer? {
    let total = size + hugePage
    guard let start = mmap(nil, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), start != MAP_FAILED
    else { return nil }
    let head = (hugePage - Int(bitPattern: start) % hugePage) % hugePage
    let block = start + head
    if head > 0 { munmap(start, head) }
    if hugePage > head { munmap(block + size, hugePage - head) }
    madvise(block, size, MADV_HUGEPAGE)
    return block
  }
}
