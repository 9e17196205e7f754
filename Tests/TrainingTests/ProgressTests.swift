import Foundation
import Testing

@testable import Training

/// A clock that stands until it is set.
private final class Time {
  var now = 100.0
}

/// What was written.
private final class Paper {
  var text = ""
}

@Suite struct ProgressTests {
  private let time = Time()
  private let paper = Paper()

  private func output(isTerminal: Bool, columns: Int = 120) -> ProgressLine.Output {
    let paper = paper
    return .init(isTerminal: isTerminal, columns: columns) { paper.text += $0 }
  }

  private func line(isTerminal: Bool, total: Int? = 100, done: Int = 0, columns: Int = 120) -> ProgressLine {
    let time = time
    return ProgressLine(
      label: "train", total: total, unit: "steps", done: done, output: output(isTerminal: isTerminal, columns: columns)
    ) { time.now }
  }

  @Test func terminalRedrawsAtMostFourTimesASecond() {
    let line = line(isTerminal: true)
    for step in 1...20 {
      time.now += 0.1
      line.update(step, note: "ce 2.5")
    }
    let shown = paper.text.split(separator: "\r")
    #expect(shown.first == "train  1/100 steps  1%  10.0 steps/s  0:10 left  ce 2.5\u{1B}[K")
    #expect((6...8).contains(shown.count))
    #expect(!paper.text.contains("\n"))
    line.finish()
    line.finish()
    #expect(paper.text.hasSuffix("\r\u{1B}[Ktrain  20/100 steps  20%  10.0 steps/s  in 0:02  ce 2.5\n"))
  }

  @Test func plainLinesElsewhere() {
    let line = line(isTerminal: false)
    for step in 1...25 {
      time.now += 1
      line.update(step)
    }
    line.finish(note: "done")
    #expect(
      paper.text == """
        train  1/100 steps  1%  1.0 steps/s  1:39 left
        train  11/100 steps  11%  1.0 steps/s  1:29 left
        train  21/100 steps  21%  1.0 steps/s  1:19 left
        train  25/100 steps  25%  1.0 steps/s  in 0:25  done

        """)
  }

  @Test func resumedStepsDoNotCountInTheRate() {
    let line = line(isTerminal: false, done: 50)
    time.now += 10
    line.update(60)
    #expect(paper.text == "train  60/100 steps  60%  1.0 steps/s  0:40 left\n")
  }

  @Test func rateFollowsAJobThatSlowsDown() {
    let line = line(isTerminal: false, total: 10_000)
    for _ in 0..<100 { time.now += 0.01 }
    line.update(1000)
    for step in 1001...1100 {
      time.now += 1
      line.update(step)
    }
    #expect(paper.text.contains("1.0 steps/s"))
    let last = paper.text.split(separator: "\n").last ?? ""
    #expect(last.contains("  1.0 steps/s  2:28:"), "\(last)")
  }

  @Test func nothingDoneAndNothingKnown() {
    line(isTerminal: false).finish()
    line(isTerminal: false, total: nil).update(3)
    line(isTerminal: false, total: 0).update(0)
    #expect(paper.text == "train  0/100 steps  0%  in 0:00\ntrain  3 steps\ntrain  0/0 steps\n")
  }

  @Test func narrowTerminalsCutTheLine() {
    line(isTerminal: true, columns: 11).update(3)
    #expect(paper.text == "\rtrain  3/1\u{1B}[K")
  }

  @Test(arguments: [
    (0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (200_000, "55:33:20"),
    (.infinity, "277777:46:40"),
  ])
  func durations(seconds: Double, text: String) {
    #expect(ProgressLine.duration(seconds) == text)
  }

  @Test func consoleShowsFigures() throws {
    let sink = ConsoleSink(progress: line(isTerminal: false))
    time.now += 2
    try sink.log(
      step: 1, values: [.ce: 2.31254, .lr: 2e-5, .aux: .nan, .tokensPerSecond: 2048.4, .devicesPerToken: 1.5])
    #expect(
      paper.text == "train  1/100 steps  1%  0.50 steps/s  3:18 left  "
        + "ce 2.3125  lr 2.00e-05  tokens_per_second 2048  devices_per_token 1.5000\n")
    try sink.close()
  }
}
