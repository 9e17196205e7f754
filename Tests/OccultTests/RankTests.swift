import Checkpoint
import Foundation
import Models
import TestSupport
import Testing

/// `mpirun -n N occult finetune`: the same figures as one process, checkpoints that any number of ranks goes on from,
/// and ranks that end together.
@Suite(.serialized) struct RankTests {
  /// Runs to the end; exit code and standard error.
  static func run(_ ranks: Int, _ arguments: [String]) throws -> (status: Int32, error: String) {
    let process = ranks == 1 ? Process() : Hang.mpirun(ranks, CommandLineTests.program.path, arguments)
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
  func weights(_ path: String) throws -> [String: [Float]] {
    var weights: [String: [Float]] = [:]
    try ModelFiles(opening: path).model().forEachParameter { path, tensor in weights[path.name] = tensor.elements }
    return weights
  }

  func summary(_ place: Workplace, _ run: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: place.run(run) + "/summary.json"))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  func metrics(_ place: Workplace, _ run: String) throws -> [[String: Double]] {
    try String(contentsOfFile: place.run(run) + "/metrics.jsonl", encoding: .utf8).split(separator: "\n").map { line in
      let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return (record ?? [:]).compactMapValues { $0 as? Double }
    }
  }

  /// Counts are equal, losses and norms as good as equal; every rank saw its own part.
  func expectSame(_ one: [[String: Double]], _ other: [[String: Double]], _ more: [String] = []) {
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
    let first = try weights(place.run("first") + "/final.h5")
    let second = try weights(place.run("second") + "/final.h5")
    #expect(first.count == second.count && !first.isEmpty)
    for (name, values) in first {
      #expect(values.map(\.bitPattern) == second[name]?.map(\.bitPattern), "\(name)")
    }
  }

  /// What goes wrong on one rank alone, away from where ranks ask each other, ends all of them.
  @Test func aRankThatFailsAloneEndsTheOthers() throws {
    let place = try Workplace()
    let arguments = ["finetune", place.recipe, "schedule.max_steps=4", "save.every=2"]
    #expect(try Self.run(1, arguments).status == 0)
    // The first rank, which alone writes metrics, cannot.
    try FileManager.default.removeItem(atPath: place.run("run") + "/final.h5")
    try FileManager.default.removeItem(atPath: place.run("run") + "/metrics.jsonl")
    try FileManager.default.createDirectory(
      atPath: place.run("run") + "/metrics.jsonl", withIntermediateDirectories: false)
    let (status, error) = try Self.run(4, arguments + ["--resume"])
    #expect(status != 0 && status != Hang.status)
    #expect(error.components(separatedBy: "/metrics.jsonl: expected ").count == 2, "\(error)")
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

  /// Sends a signal to one rank of a run in `place`.
  private func signal(_ name: String, rank: Int, of place: Workplace) throws {
    let kill = Process()
    kill.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    let isRank = "grep -qz OMPI_COMM_WORLD_RANK=\(rank) /proc/{}/environ"
    kill.arguments = [
      "sh", "-c", "pgrep -f \(place.run("run")) | xargs -I{} sh -c '\(isRank) && kill -\(name) {}'",
    ]
    (kill.standardOutput, kill.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try kill.run()
    kill.waitUntilExit()
  }

  /// A signal that reaches one rank in the middle of a validation: all give it up and save, and the run that goes on
  /// measures anew.
  @Test func ranksGiveUpAMeasurementTogether() throws {
    let place = try Workplace()
    let lines = (1...2000).map { "{\"prompt\": \"\($0) + \($0) is\", \"completion\": \" \(2 * $0)\"}" }
    try lines.joined(separator: "\n").write(
      toFile: place.path + "/validation.jsonl", atomically: true, encoding: .utf8)
    let text = try String(contentsOfFile: place.recipe, encoding: .utf8)
    try text.replacing(
      "template: plain", with: "validation: {path: validation.jsonl, format: prompt_completion}, template: plain"
    ).write(toFile: place.recipe, atomically: true, encoding: .utf8)
    func arguments(_ run: String) -> [String] {
      ["finetune", place.recipe, "schedule.max_steps=3", "run.evaluate_every=1", "save.every=none"]
        + ["output=\(place.run(run))"]
    }
    #expect(try Self.run(4, arguments("whole")).status == 0)
    let process = Hang.mpirun(4, CommandLineTests.program.path, arguments("run"))
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    defer { if process.isRunning { process.terminate() } }
    #expect(Hang.wait(while: { process.isRunning }, until: { place.steps("run").last ?? 0 >= 1 }))
    // A step takes a hundredth of the time of its validation.
    usleep(300_000)
    try signal("TERM", rank: 1, of: place)
    process.waitUntilExit()
    // mpirun ends as one of the ranks does: the one that got the signal, or those that it told.
    #expect([130, 143].contains(process.terminationStatus))
    let last = try #require(try metrics(place, "run").last)
    #expect(last["step"] == 2 && last["validation_ce"] == nil, "\(last)")
    #expect(try Self.run(4, arguments("run") + ["--resume"]).status == 0)
    let (whole, run) = (try metrics(place, "whole"), try metrics(place, "run"))
    // The model's own validation, before the first step, and that of three steps.
    #expect(whole.compactMap { $0["validation_ce"] }.count == 4)
    #expect(whole.map { $0["validation_ce"] } == run.map { $0["validation_ce"] })
    expectSame(Array(whole.dropFirst()), Array(run.dropFirst()))
  }

  /// A rank that is killed takes all others with it, and the last checkpoint is whole.
  @Test func aRankThatDiesEndsTheOthers() throws {
    let place = try Workplace()
    let process = Hang.mpirun(
      4, CommandLineTests.program.path,
      ["finetune", place.recipe, "schedule.max_steps=4000", "save.every=5", "output=\(place.run("run"))"])
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    defer { if process.isRunning { process.terminate() } }
    #expect(Hang.wait(while: { process.isRunning }, until: { place.steps("run").last ?? 0 >= 6 }))
    try signal("KILL", rank: 2, of: place)
    process.waitUntilExit()
    #expect(process.terminationStatus != 0 && process.terminationStatus != Hang.status)
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
