internal import Host
import Foundation

/// Memory for one piece of a file, aligned to pages, that goes back to the system with the object.
///
/// Not from the heap: there, blocks of megabytes between the small ones of libhdf5 leave holes that nothing fits into,
/// and a conversion of 14 GB grew by half a gigabyte.
package final class PageMemory {
  private let memory: UnsafeMutableRawBufferPointer

  package init(_ byteCount: Int) {
    let count = max(1, byteCount)
    let start = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let start, start != MAP_FAILED else { OutOfMemory.end(bytes: count) }
    memory = UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  deinit { munmap(memory.baseAddress, memory.count) }

  /// The first bytes, all if not said otherwise; valid while the object lives.
  package func prefix(_ count: Int? = nil) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: memory[..<(count ?? memory.count)])
  }
}
