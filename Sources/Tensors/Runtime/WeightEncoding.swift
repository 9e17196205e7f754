internal import CKernels

/// The types that weights are stored in, and conversions between them over raw memory, block by block on all threads.
///
/// Memory is little-endian and aligned to the element; no copy of the whole is made on the way.
public enum WeightEncoding: Sendable, Equatable {
  /// IEEE 754 single precision.
  case float32
  /// The upper half of a float32.
  case bfloat16
  /// IEEE 754 half precision.
  case float16

  /// How a tensor's elements are encoded.
  public init(_ dtype: DType) { self = dtype == .float32 ? .float32 : .bfloat16 }

  /// Size of one element in bytes.
  public var byteCount: Int { self == .float32 ? 4 : 2 }

  /// Converts elements; what is narrower is rounded to nearest even, and overflows to infinity.
  ///
  /// - Parameters:
  ///   - source: Elements in this encoding.
  ///   - target: Memory for as many elements, all of it written.
  ///   - encoding: How they are to be encoded there.
  public func convert(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, as encoding: WeightEncoding
  ) {
    let count = source.count / byteCount
    precondition(
      target.count == count * encoding.byteCount,
      "WeightEncoding.convert: \(target.count) bytes for \(count) elements of \(encoding)")
    guard let from = source.baseAddress, let into = target.baseAddress else { return }
    let (width, targetWidth) = (byteCount, encoding.byteCount)
    Parallel.blocks(count, grain: Kernels.grain) { block in
      let (from, into) = (from + block.lowerBound * width, into + block.lowerBound * targetWidth)
      switch (self, encoding) {
      case (.float32, .float32), (.bfloat16, .bfloat16), (.float16, .float16):
        into.copyMemory(from: from, byteCount: block.count * width)
      case (.float32, _): encoding.encode(from.assumingMemoryBound(to: Float.self), into, block.count)
      case (_, .float32): decode(from, into.assumingMemoryBound(to: Float.self), block.count)
      case (_, .bfloat16), (_, .float16):
        withUnsafeTemporaryAllocation(of: Float.self, capacity: block.count) { floats in
          guard let floats = floats.baseAddress else { return }
          decode(from, floats, block.count)
          encoding.encode(floats, into, block.count)
        }
      }
    }
  }

  /// Whether no element is infinite or NaN.
  ///
  /// - Parameter bytes: Elements in this encoding.
  /// - Returns: true if there are no elements.
  public func allFinite(in bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress else { return true }
    return Kernels.reduce(bytes.count / byteCount) { isFinite(base, $0) ? 0 : 1 } == 0
  }

  /// The first element that is infinite or NaN.
  ///
  /// - Parameter bytes: Elements in this encoding.
  /// - Returns: Its index and value; nil where all are finite.
  public func firstNonFinite(in bytes: UnsafeRawBufferPointer) -> (index: Int, value: Float)? {
    guard !allFinite(in: bytes), let base = bytes.baseAddress else { return nil }
    guard let index = (0..<bytes.count / byteCount).first(where: { !isFinite(base, $0..<$0 + 1) }) else { return nil }
    var value: Float = 0
    decode(base + index * byteCount, &value, 1)
    return (index, value)
  }

  private func isFinite(_ base: UnsafeRawPointer, _ range: Range<Int>) -> Bool {
    let start = base + range.lowerBound * byteCount
    return switch self {
    case .float32: ck_all_finite(start.assumingMemoryBound(to: Float.self), range.count) == 1
    case .bfloat16: ck_all_finite16(start.assumingMemoryBound(to: UInt16.self), 0x7F80, range.count) == 1
    case .float16: ck_all_finite16(start.assumingMemoryBound(to: UInt16.self), 0x7C00, range.count) == 1
    }
  }

  private func decode(_ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
    switch self {
    case .float32: target.update(from: source.assumingMemoryBound(to: Float.self), count: count)
    case .bfloat16: ck_bf16_to_f32(source.assumingMemoryBound(to: UInt16.self), target, count)
    case .float16: ck_f16_to_f32(source.assumingMemoryBound(to: UInt16.self), target, count)
    }
  }

  private func encode(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ count: Int) {
    switch self {
    case .float32: target.copyMemory(from: source, byteCount: 4 * count)
    case .bfloat16: ck_f32_to_bf16(source, target.assumingMemoryBound(to: UInt16.self), count)
    case .float16: ck_f32_to_f16(source, target.assumingMemoryBound(to: UInt16.self), count)
    }
  }
}
