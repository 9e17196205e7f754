internal import Host
internal import CKernels
internal import COpenBLAS
internal import Foundation
internal import Synchronization

/// OpenBLAS, opened at run time with the kernels that fit this processor.
///
/// OpenBLAS picks its kernels while it is loaded, from a table of processors it knows. Debian's 0.3.21 does not know
/// newer ones and silently falls back to SSE3 (38 instead of about 220 GFLOP/s on two AVX-512 cores). `setenv` in
/// `main` is too late for a linked library, so nothing is linked: the variable `OPENBLAS_CORETYPE` is set from the
/// processor's features first (a value set by the user wins), then the library is opened. This holds for commands,
/// tests and ranks.
///
/// A product packs its operands into a buffer of the library's own, and where the system gives no memory for one,
/// OpenBLAS asks again for ever. So all buffers, one a thread, are taken when the library is opened, each after a look
/// whether there is room for it; never more products run at once than there are buffers.
public struct BLAS: Sendable {
  private let function: copenblas_sgemm_t
  /// Products that may run at once.
  private let buffers: Int
  private static let running = Atomic<Int>(0)
  /// Name of the kernels in use, as OpenBLAS reports it: `SkylakeX`, `Haswell`, …
  public let coreName: String
  /// Version and build options, as OpenBLAS reports them.
  public let configuration: String
  /// File that was opened.
  public let library: String
  /// What `OPENBLAS_CORETYPE` was set to by this program; `nil` where the user's value or OpenBLAS's own choice stands.
  public let chosenCoreType: String?

  /// The library, opened once a process, before the first product.
  public static let shared: BLAS = {
    let names = ["libopenblas.so.0", "libopenblas.so"]
    var chosen: String?
    if getenv("OPENBLAS_CORETYPE") == nil, let core = coreType(vectorLevel: ck_vector_level()) {
      setenv("OPENBLAS_CORETYPE", core, 0)
      chosen = core
    }
    // Threads are ours (`Parallel`); OpenBLAS must not start its own.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    for name in names {
      guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
        if isShort(dlerror().map { String(cString: $0) } ?? "") { OutOfMemory.end(bytes: libraryBytes) }
        continue
      }
      func symbol<T>(_ symbolName: String, _: T.Type) -> T {
        guard let pointer = dlsym(handle, symbolName) else {
          fatalError("\(name): expected the function \(symbolName), found none; try: apt install libopenblas-dev")
        }
        return unsafeBitCast(pointer, to: T.self)
      }
      symbol("openblas_set_num_threads", copenblas_set_num_threads_t.self)(1)
      let core = symbol("openblas_get_corename", copenblas_get_corename_t.self)()
      let configuration = symbol("openblas_get_config", copenblas_get_config_t.self)()
      takeBuffers(handle)
      return BLAS(
        function: symbol("cblas_sgemm", copenblas_sgemm_t.self), buffers: Parallel.wantedThreads,
        coreName: core.map { String(cString: $0) } ?? "unknown",
        configuration: configuration.map { String(cString: $0) } ?? "unknown", library: name, chosenCoreType: chosen)
    }
    fatalError("OpenBLAS: expected one of \(names) on the library path, found none; try: apt install libopenblas-dev")
  }()

  /// Calls `cblas_sgemm` as soon as a buffer is free for it, which it is unless threads that are not of the team
  /// multiply too.
  @inline(__always)
  func sgemm(_ body: (copenblas_sgemm_t) -> Void) {
    while Self.running.add(1, ordering: .acquiring).oldValue >= buffers {
      Self.running.subtract(1, ordering: .relaxed)
      sched_yield()
    }
    body(function)
    Self.running.subtract(1, ordering: .releasing)
  }

  /// What opening the library takes, and one of its buffers on the processors that it has kernels for.
  private static let (libraryBytes, bufferBytes) = (48 << 20, 128 << 20)

  /// Whether a library was not opened for want of memory.
  private static func isShort(_ reason: String) -> Bool {
    (reason.contains("annot allocate memory") && !reason.contains("TLS")) || !OutOfMemory.hasRoom(libraryBytes)
  }

  /// Has the library take a buffer for every thread; they stay with it when they are given back.
  ///
  /// A library that does not export these functions takes its buffers when it needs them.
  private static func takeBuffers(_ library: UnsafeMutableRawPointer) {
    typealias Take = @convention(c) (Int32) -> UnsafeMutableRawPointer?
    typealias Give = @convention(c) (UnsafeMutableRawPointer?) -> Void
    guard let take = dlsym(library, "blas_memory_alloc"), let give = dlsym(library, "blas_memory_free") else { return }
    // Besides the buffer itself, what may be taken between the look and the call.
    let spare = 8 << 20
    let buffers = (0..<Parallel.wantedThreads).map { _ in
      guard OutOfMemory.hasRoom(bufferBytes + spare) else { OutOfMemory.end(bytes: bufferBytes) }
      return unsafeBitCast(take, to: Take.self)(0)
    }
    for buffer in buffers { unsafeBitCast(give, to: Give.self)(buffer) }
  }

  /// OpenBLAS's name for the best kernels at a vector level of ``CKernels``; `nil` leaves the choice to OpenBLAS.
  static func coreType(vectorLevel: Int32) -> String? {
    switch vectorLevel {
    case 2: "SkylakeX"
    case 1: "Haswell"
    default: nil
    }
  }

  /// Instruction level that the element-wise kernels run at: `x86-64-v4`, `x86-64-v3` or `default`.
  public static var kernelVariant: String { String(cString: ck_variant()) }
}
