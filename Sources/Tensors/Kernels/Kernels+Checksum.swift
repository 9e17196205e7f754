internal import CKernels

extension Kernels {
  private static let hasCRC32C = ck_has_crc32c() != 0

  /// The CRC-32C register after `bytes`, by the processor's own instruction.
  ///
  /// - Parameters:
  ///   - state: The register before.
  ///   - bytes: What is appended.
  /// - Returns: nil where the processor has no such instruction.
  package static func crc32c(_ state: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32? {
    guard hasCRC32C else { return nil }
    guard let base = bytes.baseAddress else { return state }
    return ck_crc32c(state, base.assumingMemoryBound(to: UInt8.self), bytes.count)
  }
}
