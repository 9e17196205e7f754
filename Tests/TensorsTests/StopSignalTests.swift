import Foundation
import TestSupport
import Testing

@testable import Host
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
      OutOfMemory.install()
      StopSignal.install()
      StopSignal.endsAtOnce = false
      var ends: [Int32] = [0, 0]
      pipe(&ends)
      Thread.detachNewThread { [ends] in
        var byte: UInt8 = 0
        _ = read(ends[0], &byte, 1)
      }
      Parallel.run(4) { index in
        if index == 0 {
          // The threads of the test library have begun by then, and the signals come at once: whoever else asks for
          // memory ends the process.
          usleep(500_000)
          OutOfMemoryTests.leaveNothing()
          Foundation.raise(SIGTERM)
          Foundation.raise(SIGINT)
        }
        while true { _ = StopSignal.isRequested }
      }
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(result?.exitStatus == .exitCode(130), "\(text)")
  }

  /// The handler has a stack of its own: on one that is used up, the system would end the process by SIGSEGV.
  @Test func aStackThatIsUsedUp() async {
    await #expect(processExitsWith: .exitCode(7)) {
      var attributes = pthread_attr_t()
      pthread_attr_init(&attributes)
      // A page that nobody may touch lies below it.
      let size = 512 << 10
      let room = mmap(nil, size + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)! + 4096
      precondition(mprotect(room, size, PROT_READ | PROT_WRITE) == 0)
      precondition(pthread_attr_setstack(&attributes, room, size) == 0)
      var thread = pthread_t()
      pthread_create(
        &thread, &attributes,
        { room in
          OutOfMemory.install()
          StopSignal.install()
          StopSignal.endsAtOnce = false
          // The linker looks a function up at its first call, on the same stack.
          Foundation.raise(0)
          StopSignalTests.raise(SIGTERM, above: UInt(bitPattern: room))
          exit(StopSignal.isRequested ? 7 : 1)
        }, room)
      while true { pause() }
    }
  }

  /// Raises a signal where less than a kilobyte of the stack is left: the system puts more than that there for a
  /// handler.
  ///
  /// - Returns: A sum over the frames, so that each is one.
  @discardableResult private static func raise(_ number: Int32, above end: UInt) -> UInt {
    var here: UInt = 0
    let address = withUnsafeMutablePointer(to: &here) { UInt(bitPattern: $0) }
    if address - end < 1000 {
      Foundation.raise(number)
      return 1
    }
    return raise(number, above: end) + here + 1
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
