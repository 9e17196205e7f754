internal import CKernels
internal import Foundation

/// The machine and the libraries this process computes with.
public struct Machine: Sendable, Equatable, Encodable {
  /// Name of the processor, as the system gives it.
  public let processor: String
  /// Cores this process may use.
  public let cores: Int
  /// Threads of our own team.
  public let threads: Int
  /// Bytes of main memory.
  public let memoryBytes: Int
  /// Vector instructions that matter here and that the processor has.
  public let features: [String]
  /// Instruction level that the element-wise kernels run at.
  public let kernels: String
  /// File of OpenBLAS that was opened.
  public let blasLibrary: String
  /// Name of OpenBLAS's kernels in use.
  public let blasCore: String
  /// Version and build options of OpenBLAS.
  public let blasConfiguration: String
  /// `OPENBLAS_CORETYPE` as it stands; nil where it is not set.
  public let coreType: String?
  /// Whether this program set it.
  public let coreTypeIsOurs: Bool
  /// What makes it slower than it could be, in words.
  public let warnings: [String]

  private enum CodingKeys: String, CodingKey {
    case processor, cores, threads, features, kernels, warnings
    case memoryBytes = "memory_bytes"
    case blasLibrary = "blas_library"
    case blasCore = "blas_core"
    case blasConfiguration = "blas_configuration"
    case coreType = "openblas_coretype"
    case coreTypeIsOurs = "openblas_coretype_set_by_occult"
  }

  /// Looks at the machine that this runs on.
  public static var current: Machine {
    let blas = BLAS.shared
    let environment = ProcessInfo.processInfo.environment
    let cpu = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    func field(_ name: String) -> String? {
      cpu.split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: ":", maxSplits: 1).last
        .map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let flags = Set((field("flags") ?? field("Features") ?? "").split(separator: " ").map(String.init))
    let level = Int(ck_vector_level())
    let cores = ProcessInfo.processInfo.activeProcessorCount
    return Machine(
      processor: field("model name") ?? "unknown", cores: cores, threads: Parallel.threads,
      memoryBytes: Int(ProcessInfo.processInfo.physicalMemory), features: known.filter(flags.contains),
      kernels: BLAS.kernelVariant, blasLibrary: blas.library, blasCore: blas.coreName,
      blasConfiguration: blas.configuration, coreType: getenv("OPENBLAS_CORETYPE").map { String(cString: $0) },
      coreTypeIsOurs: blas.chosenCoreType != nil,
      warnings: warnings(
        vectorLevel: level, blasCore: blas.coreName, coreType: environment["OPENBLAS_CORETYPE"],
        threads: Parallel.threads, cores: cores))
  }

  private static let known = [
    "sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16",
    "asimd", "sve",
  ]
  /// OpenBLAS's kernels for AVX-512 and for AVX2; all others are for older processors.
  private static let wide = ["SkylakeX", "Cooperlake", "SapphireRapids"]
  private static let middle = ["Haswell", "Zen", "Excavator"]

  /// What makes it slower than it could be.
  ///
  /// - Parameters:
  ///   - vectorLevel: 2 with AVX-512, 1 with AVX2 and FMA, 0 below.
  ///   - blasCore: Name of OpenBLAS's kernels in use.
  ///   - coreType: What the user set `OPENBLAS_CORETYPE` to.
  ///   - threads: Threads of our own team.
  ///   - cores: Cores this process may use.
  /// - Returns: One sentence each.
  static func warnings(
    vectorLevel: Int, blasCore: String, coreType: String?, threads: Int, cores: Int
  ) -> [String] {
    var warnings: [String] = []
    let fits = vectorLevel == 0 || wide.contains(blasCore) || (vectorLevel == 1 && middle.contains(blasCore))
    if !fits {
      let (instructions, better) = vectorLevel == 2 ? ("AVX-512", "SkylakeX") : ("AVX2", "Haswell")
      let reason = coreType.map { _ in "unset OPENBLAS_CORETYPE" } ?? "a newer OpenBLAS"
      warnings.append(
        "OpenBLAS: expected \(better) kernels on a processor with \(instructions), found \(blasCore), which are several "
          + "times slower; try \(reason)")
    }
    #if arch(x86_64)
      if vectorLevel == 0 {
        warnings.append(
          "processor: expected AVX2 or AVX-512, found neither; everything works, at a fraction of the speed")
      }
    #endif
    if threads != cores {
      warnings.append("threads: expected \(cores), one a core, found \(threads); try unsetting OCCULT_THREADS")
    }
    return warnings
  }
}
