@testable import Files
import Host
import Checkpoint
import Foundation
import Tensors
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

  private func message(
    _ run: RunPreparation, available: Int, process: MemoryLimit? = nil, ranks: Int = 1, here: [Int] = [0]
  ) -> String? {
    do throws(PreparationError) {
      let limits = MemoryLimits(host: MemoryLimit(bytes: available, source: .machine), process: process)
      try run.checkMemory(limits, ranks: ranks, here: here)
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
        == "memory: expected at most 430 MB (of this machine), found a run that needs about 506 MB: a parameter "
        + "that trains takes 16 bytes, one that does not 2 or 4; try run.activation_checkpointing=true (358 MB), or 'train.experts={lora: "
        + "{rank: 16}}' run.activation_checkpointing=true (306 MB), or train.experts=frozen (407 MB)")
    #expect(message(run, available: 1000)?.hasSuffix("or a smaller schedule.batch_tokens") == true)
  }

  /// The message says which limit it was; one of the process's own is for each rank alone.
  @Test func theLimitIsNamed() throws {
    let run = try preparation()
    let each = RunEstimate.memory(run, ranks: 4).reduce(0) { $0 + $1.bytes }
    let group = MemoryLimit(bytes: 1000, source: .controlGroup(path: "/sys/fs/cgroup/jobs/7"))
    #expect(
      message(run, available: Int.max, process: group)?.hasPrefix(
        "memory: expected at most 1.0 KB (of the control group /sys/fs/cgroup/jobs/7), found a run") == true)
    let own = MemoryLimit(bytes: each, source: .addresses)
    #expect(message(run, available: Int.max, process: own, ranks: 4, here: [2, 3]) == nil)
    let text = message(
      run, available: Int.max, process: .init(bytes: each - 1, source: .addresses), ranks: 4, here: [2])
    #expect(text?.contains("(what 'ulimit -v' leaves), found a run that needs") == true)
    let none = message(run, available: Int.max, process: MemoryLimit(bytes: 1, source: .data))
    #expect(none?.hasSuffix("try a higher limit, or a smaller schedule.batch_tokens") == true)
  }

  /// Of four ranks on two hosts, the first has the profile to make; experts are shared out, all else is on each.
  @Test func ranksShareAHost() throws {
    let run = try preparation()
    let each = RunEstimate.memory(run, ranks: 4).reduce(0) { $0 + $1.bytes }
    let (first, second) = (
      RunEstimate.hostBytes(run, ranks: 4, here: [0, 1]), RunEstimate.hostBytes(run, ranks: 4, here: [2, 3])
    )
    #expect(second == 2 * each && first > second && first < second + (128 << 20))
    let bytes = Dictionary(uniqueKeysWithValues: RunEstimate.memory(run, ranks: 4).map { ($0.name, $0.bytes) })
    let (experts, routers) = (6 * 3 * 64 * 32 * 192, 6 * 64 * 192)
    #expect(bytes["moments"] == 8 * (experts / 4 + routers))
    #expect(message(run, available: second, ranks: 4, here: [2, 3]) == nil)
    let text = message(run, available: second - 1, ranks: 4, here: [2, 3]) ?? ""
    #expect(
      text.hasPrefix(
        "memory: expected at most \(ByteSize.words(second - 1)) (of this machine), found 2 ranks on one host that "
          + "together need about \(ByteSize.words(second)): a parameter that trains takes 16 bytes, one that does not 2 or 4; try "
      ),
      "\(text)")
    // By way of nodes, relays have rows besides.
    let layered = RunEstimate.memory(try preparation("parallel.nodes=2"), ranks: 4).reduce(0) { $0 + $1.bytes }
    #expect(layered > each && layered < 2 * each)
  }

  /// Parts of the estimate that follow from counts alone.
  @Test func parts() throws {
    let estimate = RunEstimate.memory(try preparation("schedule.accumulation=2"))
    let bytes = Dictionary(uniqueKeysWithValues: estimate.map { ($0.name, $0.bytes) })
    let trained = 6 * (64 * 192 + 3 * 64 * 32 * 192)
    #expect(bytes["moments"] == 8 * trained && bytes["gradients"] == 8 * trained)
  }
}
