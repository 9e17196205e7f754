import Foundation
import Synchronization
import Testing

@testable import Training

@Suite struct StopSignalTests {
  @Test(arguments: zip([SIGINT, SIGTERM], [130, 143] as [Int32]))
  func firstAsksSecondEnds(number: Int32, code: Int32) {
    let log = Mutex<[String]>([])
    let stop = StopSignal(
      announce: { _ in log.withLock { $0.append("announced") } },
      exit: { code in log.withLock { $0.append("exit \(code)") } })
    #expect(!stop.isRequested)
    #expect(stop.exitCode == nil)
    stop.receive(number)
    #expect(stop.isRequested)
    #expect(stop.exitCode == code)
    #expect(log.withLock { $0 } == ["announced"])
    stop.receive(SIGINT)
    #expect(log.withLock { $0 } == ["announced", "exit 130"])
    #expect(stop.exitCode == code)
  }

  /// The real thing: a process that is sent two signals.
  @Test func aProcessEndsAtTheSecondSignal() async {
    await #expect(processExitsWith: .exitCode(143)) {
      let stop = StopSignal.install()
      kill(getpid(), SIGINT)
      while !stop.isRequested { usleep(1000) }
      kill(getpid(), SIGTERM)
      sleep(20)
    }
  }

  @Test func aProcessMayEndByItselfAfterTheFirst() async {
    await #expect(processExitsWith: .exitCode(7)) {
      let stop = StopSignal.install()
      kill(getpid(), SIGTERM)
      while !stop.isRequested { usleep(1000) }
      stop.uninstall()
      exit(stop.exitCode == 143 ? 7 : 1)
    }
  }

  @Test func uninstalledSignalsEndTheProcessAsBefore() async {
    await #expect(processExitsWith: .signal(SIGTERM)) {
      let stop = StopSignal.install()
      stop.uninstall()
      kill(getpid(), SIGTERM)
      sleep(20)
    }
  }
}
