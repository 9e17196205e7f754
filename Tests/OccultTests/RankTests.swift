import Checkpoint
import Foundation
import Models
import Testing

/// `mpirun -n N occult finetune`: the same figures as one process, checkpoints that any number of ranks goes on from, and ranks
/// that end together.
@Suite(.serialized) struct RankTests {
  /// `mpirun`, told to end after `seconds`.
  private static func mpirun(_ ranks: Int, _ arguments: [String], seconds: Int = 120) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    // More ranks than processors give way to each other while they wait.
    process.arguments =
      [
        "timeout", "\(seconds)", "mpirun", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "-n", "\(ranks)",
        CommandLineTests.program.path,
      ] + arguments
    var environment = ProcessInfo.processInfo.environment
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    environment["OCCULT_THREADS"] = "1"
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    return process
  }

  /// Runs to the end; exit code and standard error.
  private static func run(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, error: String) {
    let process = ranks == 1 ? Process() : mpirun(ranks, arguments)
    if ranks == 1 {
      process.executableURL = CommandLineTests.program
      process.arguments = arguments
    }
    let file = NSTemporaryDirectory() + "/occult-ranks-" + UUID().uuidString
    _ = FileManager.default.createFile(atPath: file, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: file) }
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOfFile: file, encoding: .utf8))
  }

  /// Every parameter of a model's file.
  private func weights(_ path: String) throws -> [String: [Float]] {
    var weights: [String: [Float]] = [:]
    try ModelFiles(opening: path).model().forEachParameter { path, tensor in weights[path.name] = tensor.elements }
    return weights
  }

  private func summary(_ place: Workplace, _ run: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: place.run(run) + "/summary.json"))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private func metrics(_ place: Workplace, _ run: String) throws -> [[String: Double]] {
    try String(contentsOfFile: place.run(run) + "/metrics.jsonl", encoding: .utf8).split(separator: "\n").map { line in
      let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return (record ?? [:]).compactMapValues { $0 as? Double }
    }
  }

  /// Counts are equal, losses and norms as good as equal; every rank saw its own part.
  private func expectSame(_ one: [[String: Double]], _ other: [[String: Double]], _ more: [String] = []) {
    #expect(one.count == other.count && !one.isEmpty)
    let counts = [
      "step", "tokens", "devices_per_token", "chosen_devices_per_token", "remote_copies", "naive_remote_copies",
      "intra_share", "imbalance_rows", "imbalance_wire",
    ]
    for (a, b) in zip(one, other) {
      for name in counts + more { #expect(a[name] != nil && a[name] == b[name], "\(name)") }
      for name in ["ce", "aux", "loss", "grad_norm", "retained_mass"] {
        let (a, b) = (a[name] ?? .nan, b[name] ?? .nan)
        #expect(abs(a - b) <= 1e-5 * abs(a), "\(name): \(a), \(b)")
      }
    }
  }

  @Test func ranksReportWhatOneProcessDoes() throws {
    let place = try Workplace()
    let arguments = ["finetune", place.recipe, "schedule.max_steps=4", "save.every=2"]
    #expect(try Self.run(1, arguments + ["output=\(place.run("one"))"]).status == 0)
    let one = try metrics(place, "one")
    #expect(try Self.run(4, arguments + ["output=\(place.run("four"))"]).status == 0)
    expectSame(one, try metrics(place, "four"))
    // One file, as one process would have written it: it evaluates, and a run of other devices begins from it.
    let read = try CommandLineTests.run(["inspect", place.run("four") + "/final.h5", "--json"])
    #expect(read.status == 0)

    // Stopped after step 2 on four ranks, it goes on in one process and on two devices' worth of ranks is refused.
    try FileManager.default.removeItem(atPath: place.run("four") + "/final.h5")
    try FileManager.default.removeItem(atPath: place.run("four") + "/summary.json")
    #expect(try Self.run(1, arguments + ["output=\(place.run("four"))", "--resume"]).status == 0)
    expectSame(one, try metrics(place, "four"))
  }

  /// Of two runs on the same number of ranks, every weight has the same bits.
  @Test func aRunRepeatsBitByBit() throws {
    let place = try Workplace()
    let arguments = ["finetune", place.recipe, "schedule.max_steps=3", "parallel.nodes=2"]
    for run in ["first", "second"] {
      #expect(try Self.run(4, arguments + ["output=\(place.run(run))"]).status == 0)
    }
    let (first, second) = (try weights(place.run("first") + "/final.h5"), try weights(place.run("second") + "/final.h5"))
    #expect(first.count == second.count && !first.isEmpty)
    for (name, values) in first {
      #expect(values.map(\.bitPattern) == second[name]?.map(\.bitPattern), "\(name)")
    }
  }

  /// By way of nodes: the counts of one process, its losses, and less between nodes than without.
  @Test func nodesAreCrossedToOnce() throws {
    let place = try Workplace()
    let arguments = [
      "finetune", place.recipe, "schedule.max_steps=3", "routing.placement=contiguous", "routing.device_limit=3",
      "data.validation=0",
    ]
    #expect(try Self.run(1, arguments + ["parallel.nodes=2", "output=\(place.run("one"))"]).status == 0)
    #expect(try Self.run(4, arguments + ["parallel.nodes=2", "output=\(place.run("nodes"))"]).status == 0)
    #expect(try Self.run(4, arguments + ["output=\(place.run("direct"))"]).status == 0)
    let (one, nodes, direct) = (
      try metrics(place, "one"), try metrics(place, "nodes"), try metrics(place, "direct")
    )
    let levels = ["nodes_per_token", "copies_between_nodes", "copies_inside_nodes"]
    expectSame(one, nodes, levels)
    for (a, b) in zip(nodes, direct) {
      #expect(levels.allSatisfy { a[$0] != nil && b[$0] == nil })
      for name in ["ce", "grad_norm"] {
        let (a, b) = (a[name] ?? .nan, b[name] ?? .nan)
        #expect(abs(a - b) <= 1e-5 * abs(b), "\(name): \(a), \(b)")
      }
    }
    // What MPI was given: two layers, four directions, 32 wide, each step's tokens.
    var (copies, before) = (0.0, 0.0)
    for step in nodes {
      copies += (step["copies_between_nodes"] ?? .nan) * ((step["tokens"] ?? .nan) - before)
      before = step["tokens"] ?? .nan
    }
    let sent = try #require(try summary(place, "nodes")["sent_bytes"] as? [String: [String: Int]])
    #expect(sent["between_nodes"]?["rows"] == Int((copies * 2 * 4 * 32 * 4).rounded()))
  }

  /// Adapters live with their experts, on some ranks none of them.
  @Test func adaptersOfExpertsAreSpread() throws {
    let place = try Workplace()
    let arguments = [
      "finetune", place.recipe, "schedule.max_steps=4", "save.every=2", "train.experts={lora: {rank: 2, share: 0.3}}",
    ]
    #expect(try Self.run(1, arguments + ["output=\(place.run("one"))"]).status == 0)
    #expect(try Self.run(4, arguments + ["output=\(place.run("four"))"]).status == 0)
    let one = try metrics(place, "one")
    expectSame(one, try metrics(place, "four"))
    try expectClose(place)
    // Stopped after step 2 on four ranks, it goes on in one process; the other way round as well.
    for (run, ranks) in [("four", 1), ("one", 4)] {
      try FileManager.default.removeItem(atPath: place.run(run) + "/final.h5")
      #expect(try Self.run(ranks, arguments + ["output=\(place.run(run))", "--resume"]).status == 0)
      expectSame(one, try metrics(place, run))
    }
    try expectClose(place)
    let trained = try #require(try summary(place, "one")["trained_parameters"] as? [String: Int])
    let spread = try #require(try summary(place, "four")["trained_parameters"] as? [String: Int])
    #expect(trained == spread && trained["experts"] ?? 0 > 0)
  }

  /// Adapters and weights of the runs `one` and `four`.
  private func expectClose(_ place: Workplace) throws {
    let (a, b) = (try weights(place.run("one") + "/final.h5"), try weights(place.run("four") + "/final.h5"))
    #expect(Set(a.keys) == Set(b.keys) && a.keys.contains { $0.contains("lora_A") })
    for (name, values) in a {
      let scale = values.reduce(0) { max($0, abs($1)) }
      let others = try #require(b[name])
      #expect(values.count == others.count && zip(values, others).allSatisfy { abs($0 - $1) <= 1e-4 * scale }, "\(name)")
    }
  }

  /// The end of a run says what each rank took and sent.
  @Test func memoryAndBytesOfRanksAreSaid() throws {
    let place = try Workplace()
    let arguments = ["finetune", place.recipe, "schedule.max_steps=2", "parallel.nodes=2"]
    #expect(try Self.run(4, arguments).status == 0)
    let summary = try summary(place, "run")
    let memory = try #require(summary["rank_memory"] as? [Int])
    #expect(memory.count == 4 && memory.allSatisfy { $0 > 10_000_000 } && memory.max() == summary["peak_memory"] as? Int)
    let sent = try #require(summary["sent_bytes"] as? [String: [String: Int]])
    #expect(Set(sent.keys) == ["inside_nodes", "between_nodes"])
    for level in sent.values { #expect(level["rows"] ?? 0 > 0 && level["gradients"] ?? 0 > 0 && level["metadata"] ?? 0 > 0) }
  }

  @Test func aRunOfOneProcessGoesOnOnRanks() throws {
    let place = try Workplace()
    let arguments = ["finetune", place.recipe, "schedule.max_steps=4", "save.every=2", "output=\(place.run("one"))"]
    #expect(try Self.run(1, arguments).status == 0)
    let one = try metrics(place, "one")
    try FileManager.default.removeItem(atPath: place.run("one") + "/final.h5")
    #expect(try Self.run(4, arguments + ["--resume"]).status == 0)
    expectSame(one, try metrics(place, "one"))
  }

  @Test func aWrongNumberOfRanksIsSaidOnce() throws {
    let place = try Workplace()
    let (status, error) = try Self.run(3, ["finetune", place.recipe])
    #expect(status == 1)
    let message =
      "mpirun: expected 4 ranks, one for each of routing.devices, found 3; try mpirun -n 4, or routing.devices=3"
    #expect(error.components(separatedBy: message).count == 2, "\(error)")
  }

  /// A rank that is killed takes all others with it, and the last checkpoint is whole.
  @Test func aRankThatDiesEndsTheOthers() throws {
    let place = try Workplace()
    let process = Self.mpirun(
      4, ["finetune", place.recipe, "schedule.max_steps=4000", "save.every=5", "output=\(place.run("run"))"])
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    defer { if process.isRunning { process.terminate() } }
    let began = ContinuousClock.now
    while place.steps("run").last ?? 0 < 6, ContinuousClock.now < began + .seconds(60) { usleep(100_000) }
    let kill = Process()
    kill.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    kill.arguments = [
      "sh", "-c",
      "pgrep -f \(place.run("run")) | xargs -I{} sh -c 'grep -qz OMPI_COMM_WORLD_RANK=2 /proc/{}/environ && kill -9 {}'",
    ]
    (kill.standardOutput, kill.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try kill.run()
    kill.waitUntilExit()
    let killed = ContinuousClock.now
    process.waitUntilExit()
    #expect(process.terminationStatus != 0 && ContinuousClock.now < killed + .seconds(10))
    #expect(
      try Self.run(
        1,
        [
          "finetune", place.recipe, "schedule.max_steps=4000", "save.every=5", "output=\(place.run("run"))", "--resume",
          "--dry-run",
        ]
      ).status == 0)
  }
}
