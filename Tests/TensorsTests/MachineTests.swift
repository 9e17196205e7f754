@testable import Host
import Testing

@testable import Tensors

@Suite struct MachineTests {
  @Test func warnsOfSlowKernels() {
    let cases: [(level: Int, core: String, coreType: String?, text: String?)] = [
      (2, "SkylakeX", nil, nil), (1, "Zen", nil, nil), (1, "Haswell", nil, nil),
      (
        2, "Prescott", nil,
        "OpenBLAS: expected SkylakeX kernels on a processor with AVX-512, found Prescott, which are several times slower; "
          + "try a newer OpenBLAS"
      ),
      (
        1, "Prescott", "Prescott",
        "OpenBLAS: expected Haswell kernels on a processor with AVX2, found Prescott, which are several times slower; "
          + "try unset OPENBLAS_CORETYPE"
      ),
    ]
    for (level, core, coreType, text) in cases {
      let found = Machine.warnings(vectorLevel: level, blasCore: core, coreType: coreType, threads: 2, cores: 2)
      #expect(found == (text.map { [$0] } ?? []))
    }
    #expect(
      Machine.warnings(vectorLevel: 2, blasCore: "SkylakeX", coreType: nil, threads: 1, cores: 2) == [
        "threads: expected 2, one a core, found 1; try unsetting OCCULT_THREADS"
      ])
  }

  @Test func looksAtThisMachine() {
    let machine = Machine.current
    #expect(machine.cores > 0 && machine.memoryBytes > 1 << 28)
    #expect(machine.blasCore == BLAS.shared.coreName && machine.kernels == BLAS.kernelVariant)
  }

  /// `/proc/stat` of two processors: waiting and idling are no work, what a hypervisor takes is.
  @Test func timeOfAllProcessors() {
    let text = """
      cpu  100 20 30 4000 500 6 7 80 90 9
      cpu0 50 10 15 2000 250 3 3 40 45 4
      cpu1 50 10 15 2000 250 3 4 40 45 5
      intr 1 2 3
      """
    let (busy, processors) = MachineLoad.busy(text, ticks: 100)
    #expect(busy == 2.43 && processors == 2)
    #expect(MachineLoad.busy("", ticks: 100) == (0, 1))
    #expect(MachineLoad.busy("cpu a b\ncpu0", ticks: 100) == (0, 1))
  }

  @Test func aBusyMachineIsSaid() {
    func speed(_ others: Double, _ processors: Int) -> MachineSpeed {
      MachineSpeed(
        gemmOneThread: 100, gemmAllThreads: 61.7, bandwidthOneThread: 1, bandwidthAllThreads: 2, gemmIdle: 219.5,
        load: MachineLoad(processors: processors, others: others, average: 5.234))
    }
    #expect(speed(0.19, 2).warning == nil)
    #expect(
      speed(1.42, 2).warning
        == "busy machine: others use 1.4 of 2 processors (load average 5.2); measured 61 of about 219 GFLOP/s")
    #expect(speed(0.19, 1).warning != nil && speed(6.3, 64).warning == nil && speed(6.5, 64).warning != nil)
  }

  /// Threads that work are seen from outside, and a process's own work is not taken for that of others.
  @Test func othersAreSeen() {
    let (sum, load) = MachineLoad.during {
      let began = ProcessorTime.thread
      var sum = 0.0
      while ProcessorTime.thread - began < 0.3 { sum += 1 }
      return sum
    }
    #expect(sum > 0 && load.processors >= 1 && load.others >= 0 && load.others <= Double(load.processors))
  }
}
