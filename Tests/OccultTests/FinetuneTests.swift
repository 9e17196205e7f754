import Checkpoint
import Foundation
import Models
import TestSupport
import Testing

/// `occult finetune` as a process: signals, kills, threads, a full disk.
@Suite struct FinetuneTests {
  private func start(_ arguments: [String]) throws -> Process {
    let process = Process()
    process.executableURL = CommandLineTests.program
    process.arguments = arguments
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Waits until something is so, or the process has ended.
  private func wait(_ process: Process, until isSo: () -> Bool) {
    Hang.wait(while: { process.isRunning }, until: isSo)
  }

  @Test func sameBitsForOneThreadAndTwo() throws {
    let place = try Workplace()
    var checksums: [UInt32] = []
    for threads in [1, 2] {
      let run = place.run("threads-\(threads)")
      let result = try CommandLineTests.run([
        "finetune", place.recipe, "run.threads=\(threads)", "save.every=none", "output=\(run)",
      ])
      #expect(result.status == 0, "\(result.error)")
      checksums.append(try ModelFiles(opening: run + "/final.h5").checksum())
    }
    #expect(checksums[0] == checksums[1])
    #expect(try ModelFiles(opening: place.path + "/base.h5").checksum() != checksums[0])
  }

  @Test(arguments: [SIGINT, SIGTERM]) func aSignalFinishesTheStepAndTheRunGoesOn(number: Int32) throws {
    let place = try Workplace()
    let changes = ["schedule.max_steps=3000", "save.every=none", "output=\(place.run("run"))"]
    let process = try start(["finetune", place.recipe] + changes)
    wait(process) { place.steps("run").count >= 3 }
    kill(process.processIdentifier, number)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 128 + number)
    let last = try #require(place.steps("run").last)
    let checkpoint = place.run("run") + "/checkpoints/step-\(last).h5"
    #expect(try TrainingState(readingFrom: checkpoint).step == last)

    let again = try start(["finetune", place.recipe] + changes + ["--resume"])
    wait(again) { place.steps("run").count > last + 2 }
    kill(again.processIdentifier, SIGTERM)
    again.waitUntilExit()
    #expect(again.terminationStatus == 143)
    #expect(place.steps("run") == Array(1...(place.steps("run").last ?? 0)))
  }

  @Test func killedWhileWritingLeavesThePreviousCheckpoint() throws {
    let place = try Workplace()
    let process = try start(["finetune", place.recipe, "schedule.max_steps=3000"])
    let checkpoints = place.run("run") + "/checkpoints"
    let names = { (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? [] }
    wait(process) { names().contains("step-3.h5") && names().contains { $0.hasSuffix(".tmp") } }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    let saved = names().filter { $0.hasSuffix(".h5") }
    #expect(!saved.isEmpty)
    var last = 0
    for name in saved {
      let state = try TrainingState(readingFrom: checkpoints + "/" + name)
      _ = try ModelFiles(opening: checkpoints + "/" + name).model()
      #expect(name == "step-\(state.step).h5")
      last = max(last, state.step)
    }
    let again = try start(["finetune", place.recipe, "schedule.max_steps=3000", "--resume"])
    wait(again) { (place.steps("run").last ?? 0) > last + 2 }
    kill(again.processIdentifier, SIGINT)
    again.waitUntilExit()
    #expect(again.terminationStatus == 130)
    #expect(place.steps("run") == Array(1...(place.steps("run").last ?? 0)))
  }

  /// The limit on the size of a file stands for a full disk: the write fails in the middle.
  @Test func aFullDiskLosesNothing() throws {
    let place = try Workplace()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
      "-c", "ulimit -f 400; exec \"$0\" finetune \"$1\" 2> \"$2\"", CommandLineTests.program.path,
      place.recipe, place.path + "/error",
    ]
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let error = try String(contentsOfFile: place.path + "/error", encoding: .utf8)
    #expect(process.terminationReason == .exit && process.terminationStatus == 1)
    #expect(
      error.contains(
        "checkpoints/step-1.h5: expected to write the file, found 'File too large', more than the ")
        && error.contains(" KB that 'ulimit -f' allows; try 'ulimit -f unlimited' first"), "\(error)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.run("run") + "/checkpoints") == [])
    #expect(place.steps("run") == [1])
  }

  @Test func everythingWrongIsFoundBeforeAnyWork() throws {
    let place = try Workplace()
    func failure(_ changes: [String]) throws -> String {
      let result = try CommandLineTests.run(["finetune", place.recipe] + changes)
      #expect(result.status == 1 && result.out == "")
      #expect(!FileManager.default.fileExists(atPath: place.run("run")))
      return result.error
    }
    #expect(try failure(["routing.devices=3", "routing.device_limit=none"]).contains("expected"))
    #expect(
      try failure(["data.max_tokens=65", "schedule.batch_tokens=128"]).contains("data.max_tokens: expected at most 64"))
    #expect(
      try failure([
        "train.experts=frozen", "train.router=frozen", "train.attention=frozen", "train.norms=frozen",
        "train.embeddings=frozen",
      ]).contains("train: expected a role that trains"))
    #expect(try failure(["optimizer.lerning_rate=1"]).contains("did you mean 'optimizer.learning_rate'?"))
  }

  @Test func dryRunTouchesNothing() throws {
    let place = try Workplace()
    let result = try CommandLineTests.run(["finetune", place.recipe, "--dry-run", "--json"])
    #expect(result.status == 0)
    // What else the machine does is said, and nothing more.
    #expect(result.error.split(separator: "\n").allSatisfy { $0.contains("busy machine: ") }, "\(result.error)")
    let plan = try #require(try JSONSerialization.jsonObject(with: Data(result.out.utf8)) as? [String: Any])
    let trained = try #require(plan["trained_parameters"] as? [String: Int])
    #expect(trained["router"] == 2 * 8 * 32 && trained["experts"] == 2 * 8 * 3 * 16 * 32)
    #expect((plan["estimate"] as? [String: Any])?["steps"] as? Int == 12)
    #expect(!FileManager.default.fileExists(atPath: place.run("run")))
  }

  /// From the table of what trains to a merged folder and PEFT's: every command takes a checkpoint with adapters.
  @Test func adaptersFromTheCommandLine() throws {
    let place = try Workplace()
    let changes = [
      "train={attention: {lora: {rank: 2}}, router: {lora: {rank: 2}}, experts: {lora: {rank: 1, share: 0.25}}, "
        + "embeddings: frozen, norms: frozen}", "save.every=none",
    ]
    func run(_ arguments: [String]) throws -> String {
      let result = try CommandLineTests.run(arguments)
      #expect(result.status == 0, "\(arguments): \(result.error)")
      return result.out
    }
    let plan = try run(["finetune", place.recipe, "--dry-run"] + changes)
    // Counted by hand: r (in + out), of a quarter of 8 experts.
    let table = [
      "attention         8320     1024  lora, rank 2, alpha 4.0",
      "experts          24576      448  lora, rank 1, alpha 2.0, 2 of 8 experts",
      "router             512      160  lora, rank 2, alpha 4.0",
    ]
    for line in table { #expect(plan.contains(line + "\n"), "\(plan)") }
    let missing = try CommandLineTests.run(["finetune", place.recipe, "train.shared_experts={lora: {rank: 2}}"])
    #expect(missing.status == 1)
    #expect(missing.error.contains("train.shared_experts: expected a role that olmoe models have"))

    let (report, final) = (try run(["finetune", place.recipe] + changes), place.run("run") + "/final.h5")
    for line in table { #expect(report.contains(line + "\n")) }
    #expect(try run(["inspect", final]).contains("attention of rank 2, alpha 4.0 (1024 parameters)"))
    let merged = place.path + "/merged.h5"
    _ = try run(["convert", final, merged, "--verify"])
    let prompt = ["--prompt", "1 + 1 =", "--max-new", "4"]
    #expect(try run(["generate", final] + prompt) == run(["generate", merged] + prompt))
    try "1 2 3 4".write(toFile: place.path + "/tokens", atomically: true, encoding: .utf8)
    _ = try run(["trace", final, "--tokens", place.path + "/tokens", "--output", place.path + "/t.h5", "--gradients"])
    let traced = try HDF5Reader(place.path + "/t.h5").datasets()
    #expect(traced.contains("/gradients/adapter/model/layers/1/mlp/experts/down_proj/lora_B"))

    let limited = try CommandLineTests.run(["convert", final, place.path + "/peft", "--adapter"])
    #expect(limited.status == 1 && limited.error.contains("expected adapters of a run without a device limit"))
    _ = try run(["convert", final, place.path + "/peft", "--adapter", "--allow-unlimited"])
    _ = try run(["convert", place.path + "/peft", place.path + "/again.h5", "--base", place.path + "/base.h5"])
    let names = try FileManager.default.contentsOfDirectory(atPath: place.path + "/peft").sorted()
    #expect(names == ["adapter_config.json", "adapter_model.safetensors", "occult.json"])
  }
}
