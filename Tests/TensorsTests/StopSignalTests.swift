import Foundation
import TestSupport
import Testing

@testable import Tensors

/// Processes that are sent signals.
@Suite struct StopSignalTests {
  @Test func theFirstIsARequestAndTheSecondEnds() async {
    let result = await #expect(processExitsWith: .exitCode(143), observing: [\.standardErrorContent]) {
      StopSignal.install()
      StopSignal.endsAtOnce = false
      precondition(!StopSignal.isRequested && StopSignal.exitCode == nil)
      kill(getpid(), SIGINT)
      while !StopSignal.isRequested { usleep(1000) }
      precondition(StopSignal.exitCode == 130)
      kill(getpid(), SIGTERM)
      while true { pause() }
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.components(separatedBy: "stopping after this step, a checkpoint follows; once more stops").count == 2)
  }

  @Test func aProcessMayEndByItselfAfterTheFirst() async {
    await #expect(processExitsWith: .exitCode(7)) {
      StopSignal.install()
      StopSignal.endsAtOnce = false
      kill(getpid(), SIGTERM)
      while !StopSignal.isRequested { usleep(1000) }
      StopSignal.uninstall()
      exit(StopSignal.exitCode == 143 ? 7 : 1)
    }
  }

  /// Where nothing can be saved, the first ends the process, says how to go on, and takes temporary files along.
  @Test(arguments: [SIGINT, SIGTERM]) func theFirstEndsWhereNothingCanBeSaved(number: Int32) async {
    let folder = NSTemporaryDirectory() + "/occult-stop-" + UUID().uuidString
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let result = await #expect(processExitsWith: .signal(number), observing: [\.standardErrorContent]) {
      [folder = folder as String, number = number as Int32] in
      for name in ["a.tmp", "b.tmp", "c"] {
        precondition(FileManager.default.createFile(atPath: folder + "/" + name, contents: nil))
      }
      StopSignal.install()
      StopSignal.onEnd(say: "to go on: before")
      StopSignal.onEnd(say: "to go on: occult study r.yaml")
      precondition(TemporaryNames.add(folder + "/a.tmp") != nil && TemporaryNames.add(folder + "/b.tmp") != nil)
      if let slot = TemporaryNames.add(folder + "/c") { TemporaryNames.remove(slot) }
      kill(getpid(), number)
      while true { pause() }
    }
    #expect((try? FileManager.default.contentsOfDirectory(atPath: folder)) == ["c"])
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("\nto go on: occult study r.yaml\n") && !text.contains("before"))
  }

  /// Every thread is in a loop or in a system call, and not a byte of memory is left.
  @Test(.timeLimit(.minutes(Hang.minutes))) func theSecondEndsAnyState() async {
    // Any failure, so that what the process said is shown where it ended in another way.
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      setenv("OCCULT_THREADS", "4", 1)
      StopSignal.install()
      OutOfMemory.install()
      StopSignal.endsAtOnce = false
      var ends: [Int32] = [0, 0]
      pipe(&ends)
      Thread.detachNewThread { [ends] in
        var byte: UInt8 = 0
        _ = read(ends[0], &byte, 1)
      }
      _ = Parallel.threads
      let process = getpid()
      // A child that shares nothing sends the signals, so that this process does nothing but loop.
      let sender = Process()
      sender.executableURL = URL(fileURLWithPath: "/bin/sh")
      sender.arguments = ["-c", "sleep 0.5; kill -TERM \(process); sleep 0.5; kill -INT \(process)"]
      try sender.run()
      OutOfMemoryTests.leave(0)
      while malloc(64) != nil {}
      Parallel.run(4) { _ in while true { _ = StopSignal.isRequested } }
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(result?.exitStatus == .exitCode(130), "\(text)")
  }

  @Test func uninstalledSignalsEndTheProcessAsBefore() async {
    await #expect(processExitsWith: .signal(SIGTERM)) {
      StopSignal.install()
      StopSignal.uninstall()
      kill(getpid(), SIGTERM)
      while true { pause() }
    }
  }
}
