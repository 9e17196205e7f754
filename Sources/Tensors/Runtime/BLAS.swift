internal import CKernels
internal import COpenBLAS
internal import Foundation

/// OpenBLAS, opened at run time with the kernels that fit this processor.
///
/// OpenBLAS picks its kernels while it is loaded, from a table of processors it knows. Debian's 0.3.21 does not know
/// newer ones and silently falls back to SSE3 (38 instead of about 220 GFLOP/s on two AVX-512 cores). `setenv` in `main`
/// is too late for a linked library, so nothing is linked: the variable `OPENBLAS_CORETYPE` is set from the processor's
/// features first (a value set by the user wins), then the library is opened. This holds for commands, tests and ranks.
public struct BLAS: Sendable {
  let sgemm: copenblas_sgemm_t
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
      guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { continue }
      func symbol<T>(_ symbolName: String, _: T.Type) -> T {
        guard let pointer = dlsym(handle, symbolName) else {
          fatalError("\(name): expected the function \(symbolName), found none; try: apt install libopenblas-dev")
        }
        return unsafeBitCast(pointer, to: T.self)
      }
      symbol("openblas_set_num_threads", copenblas_set_num_threads_t.self)(1)
      let core = symbol("openblas_get_corename", copenblas_get_corename_t.self)()
      let configuration = symbol("openblas_get_config", copenblas_get_config_t.self)()
      return BLAS(
        sgemm: symbol("cblas_sgemm", copenblas_sgemm_t.self),
        coreName: core.map { String(cString: $0) } ?? "unknown",
        configuration: configuration.map { String(cString: $0) } ?? "unknown", library: name, chosenCoreType: chosen)
    }
    fatalError("OpenBLAS: expected one of \(names) on the library path, found none; try: apt install libopenblas-dev")
  }()

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
