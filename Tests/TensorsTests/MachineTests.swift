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
}
