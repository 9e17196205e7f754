internal import CKernels

extension Kernels {
  /// The elements as float32: the storage itself, or a converted copy of bfloat16.
  package static func float32(_ a: Storage) -> Storage {
    if a.dtype == .float32 { return a }
    let out = Storage(a.count)
    defer { withExtendedLifetime(a) {} }
    let (source, target) = (a.halves, out.floats)
    Parallel.blocks(a.count, grain: grain) { ck_bf16_to_f32(source + $0.lowerBound, target + $0.lowerBound, $0.count) }
    return out
  }

  /// The elements as bfloat16, rounded to nearest even.
  package static func bfloat16(_ a: Storage) -> Storage {
    if a.dtype == .bfloat16 { return a }
    let out = Storage(a.count, dtype: .bfloat16)
    defer { withExtendedLifetime(a) {} }
    let (source, target) = (a.floats, out.halves)
    Parallel.blocks(a.count, grain: grain) { ck_f32_to_bf16(source + $0.lowerBound, target + $0.lowerBound, $0.count) }
    return out
  }

  /// Runs `body` with float32 elements `offset..<offset + count` of `a`, converted into scratch memory if need be.
  @inline(__always)
  static func withFloats<R>(
    _ a: Storage, offset: Int, count: Int, scratch: inout Storage?, _ body: (UnsafePointer<Float>) -> R
  ) -> R {
    if a.dtype == .float32 { return body(a.floats + offset) }
    if scratch.map({ $0.count < count }) ?? true { scratch = Storage(count) }
    guard let buffer = scratch else { preconditionFailure("Kernels.withFloats: no scratch memory") }
    defer { withExtendedLifetime((a, buffer)) {} }
    ck_bf16_to_f32(a.halves + offset, buffer.floats, count)
    return body(buffer.floats)
  }
}
