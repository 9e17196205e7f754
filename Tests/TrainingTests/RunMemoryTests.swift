import Foundation
import Testing

@testable import Training

/// What a run of the quickstart's model would need, and what is said where that is not there.
@Suite struct RunMemoryTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  private func preparation(_ changes: String...) throws -> RunPreparation {
    let fixed = ["model=\(Self.root)/checkpoints/base.h5", "output=/tmp/occult-memory-never"]
    return try RunPreparation(
      try Recipe.load(Self.root + "/recipes/quickstart.yaml", overrides: fixed + changes), mode: .new)
  }

  private func message(_ run: RunPreparation, available: Int) -> String? {
    do throws(PreparationError) {
      try run.checkMemory(available: available)
      return nil
    } catch {
      return error.description
    }
  }

  @Test func whatDoesNotFitNamesWhatWould() throws {
    let run = try preparation()
    #expect(message(run, available: 600_000_000) == nil)
    #expect(
      message(run, available: 430_000_000)
        == "memory: expected at most 430 MB, found a run that needs about 506 MB: a parameter that trains takes 16 "
        + "bytes, one that does not 2 or 4; try run.activation_checkpointing=true (358 MB), or 'train.experts={lora: "
        + "{rank: 16}}' run.activation_checkpointing=true (306 MB), or train.experts=frozen (407 MB)")
    #expect(message(run, available: 1000)?.hasSuffix("or a smaller schedule.batch_tokens") == true)
  }

  /// Parts of the estimate that follow from counts alone.
  @Test func parts() throws {
    let estimate = RunEstimate.memory(try preparation("schedule.accumulation=2"))
    let bytes = Dictionary(uniqueKeysWithValues: estimate.map { ($0.name, $0.bytes) })
    let trained = 6 * (64 * 192 + 3 * 64 * 32 * 192)
    #expect(bytes["moments"] == 8 * trained && bytes["gradients"] == 8 * trained)
  }
}
