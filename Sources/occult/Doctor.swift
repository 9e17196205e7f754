internal import Files
import ArgumentParser
import Checkpoint
import Benchmarks
import Evaluation
import Formats
import Tensors

/// `occult doctor`.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this machine and its libraries can do, and what slows them down.",
    discussion: """
      Measures matrix products and memory for about a second.

      Example:
        occult doctor
      """)

  @OptionGroup var output: OutputOptions

  /// What is printed as JSON.
  private struct Report: Encodable {
    let machine: Machine
    let speed: MachineSpeed
    let memoryLimit: Int
    let hdf5: String
    let occult: String

    private enum CodingKeys: String, CodingKey {
      case machine, speed, hdf5, occult
      case memoryLimit = "memory_limit_bytes"
    }
  }

  func run() throws {
    let limit = Memory.limits.least
    let report = Report(
      machine: .current, speed: .measure(), memoryLimit: limit.bytes, hdf5: HDF5Version.current, occult: Program.version
    )
    if output.json { return try OutputOptions.print(report) }
    let (machine, speed) = (report.machine, report.speed)
    let coreType =
      switch (machine.coreType, machine.coreTypeIsOurs) {
      case (let type?, true): ", OPENBLAS_CORETYPE=\(type) set by this program"
      case (let type?, false): ", OPENBLAS_CORETYPE=\(type) set by you"
      case (nil, _): ", OpenBLAS's own choice"
      }
    let usable =
      limit.source == .machine ? "" : ", of which \(ByteSize.words(limit.bytes)) may be used (\(limit.source.words))"
    let rows = [
      ["occult", report.occult],
      ["processor", machine.processor],
      ["cores", "\(machine.cores), \(counted(machine.threads, "thread")) in use"],
      ["memory", ByteSize.words(machine.memoryBytes) + usable],
      ["instructions", machine.features.joined(separator: " ")],
      ["kernels", machine.kernels],
      ["OpenBLAS", "\(machine.blasLibrary), \(machine.blasConfiguration)"],
      ["OpenBLAS kernels", machine.blasCore + coreType],
      [
        "float32 products",
        "\(fixed(speed.gemmOneThread, 0)) GFLOP/s on one thread, \(fixed(speed.gemmAllThreads, 0)) on all",
      ],
      [
        "memory bandwidth",
        "\(fixed(speed.bandwidthOneThread, 1)) GB/s on one thread, \(fixed(speed.bandwidthAllThreads, 1)) on all",
      ],
      ["HDF5", report.hdf5],
    ]
    print(TextTable(heads: ["", ""], rows: rows).text)
    let warnings = machine.warnings + (speed.warning.map { [$0] } ?? [])
    print(warnings.isEmpty ? "\nno warnings" : "")
    for warning in warnings { print("warning: \(warning)") }
  }
}
