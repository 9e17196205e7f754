internal import Foundation

/// How one element of a ``Storage`` is encoded.
public enum DType: String, Sendable, CaseIterable {
  /// IEEE 754 single precision; what all arithmetic runs in.
  case float32
  /// The upper half of a float32; storage only.
  case bfloat16

  /// Size of one element in bytes.
  public var byteCount: Int { self == .float32 ? 4 : 2 }
}

/// Aligned memory for a tensor's elements, pooled or mapped from a file.
///
/// Unchecked `Sendable`: memory is written only by the kernel that creates it, before the value can be seen elsewhere,
/// and in place only by an owner that holds the single reference (``Tensor/withMutableElements(_:)``).
package final class Storage: @unchecked Sendable {
  package let dtype: DType
  package let count: Int
  package let address: UnsafeMutableRawPointer
  /// What keeps mapped memory alive; `nil` for memory of the pool.
  private let owner: AnyObject?
  /// Bytes of the pool's block.
  private let capacity: Int

  package init(_ count: Int, dtype: DType = .float32) {
    precondition(count >= 0, "Storage: expected a count of at least 0, found \(count)")
    self.count = count
    self.dtype = dtype
    (address, capacity) = BlockPool.shared.take(count * dtype.byteCount)
    owner = nil
  }

  /// Read-only memory that belongs to `owner`, such as a mapped file.
  package init(mapped address: UnsafeRawPointer, count: Int, dtype: DType, owner: AnyObject) {
    self.count = count
    self.dtype = dtype
    self.address = UnsafeMutableRawPointer(mutating: address)
    self.owner = owner
    capacity = 0
  }

  deinit {
    if owner == nil { BlockPool.shared.give(address, capacity: capacity) }
  }

  /// Whether the memory may be written in place by its only holder.
  package var isPooled: Bool { owner == nil }

  /// The elements as float32; a bug of ours if they are stored otherwise.
  ///
  /// The pointer keeps nothing alive: a storage whose last mention is its pointer may be released right there, and its
  /// block goes to the next taker. Whoever keeps a pointer in use holds the storage by `withExtendedLifetime` behind
  /// that use.
  package var floats: UnsafeMutablePointer<Float> {
    precondition(dtype == .float32, "Storage: expected float32, found \(dtype)")
    return address.assumingMemoryBound(to: Float.self)
  }

  /// The elements as bfloat16 bit patterns.
  package var halves: UnsafeMutablePointer<UInt16> {
    precondition(dtype == .bfloat16, "Storage: expected bfloat16, found \(dtype)")
    return address.assumingMemoryBound(to: UInt16.self)
  }

  package static func zeros(_ count: Int) -> Storage {
    let storage = Storage(count)
    Kernels.fill(storage.floats, 0, count)
    return storage
  }
}
