internal import Foundation
internal import Text

/// Tells how far a long job is, how fast it goes and how long it will take.
///
/// On a terminal it redraws one line; elsewhere it writes plain lines now and then, so that logs stay short. It writes
/// to standard error: standard output is for results.
///
///     train  37/100 steps  37%  2.1 steps/s  0:30 left  ce 2.3125
///
/// Not for several threads at once.
public final class ProgressLine {
  /// Where lines go, and how. Tests give their own.
  public struct Output {
    /// Receives text, line ends included.
    public var write: (String) -> Void
    /// Whether a line may be redrawn.
    public var isTerminal: Bool
    /// Width of the terminal; longer lines are cut.
    public var columns: Int

    /// An output with its own sink.
    public init(isTerminal: Bool, columns: Int = 120, write: @escaping (String) -> Void) {
      self.write = write
      self.isTerminal = isTerminal
      self.columns = columns
    }

    /// Nowhere: of several ranks one shows progress.
    public static var nowhere: Output { Output(isTerminal: false) { _ in } }

    /// Standard error as it is now.
    public static var standardError: Output {
      var size = winsize()
      let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
      return Output(isTerminal: isatty(STDERR_FILENO) == 1, columns: known ? Int(size.ws_col) : 80) { text in
        // Progress that cannot be shown is no reason to fail.
        _ = Array(text.utf8).withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      }
    }
  }

  /// A rate of less time than this is one of noise, and of what was there before the first look at the clock.
  private static let leastSeconds = 0.05

  private let label: String
  private let total: Int?
  private let unit: String
  private let output: Output
  private let clock: () -> Double
  private let interval: Double
  /// Updates of the last half minute: the rate follows a job whose speed changes, yet does not flicker.
  private var samples: [(time: Double, done: Int)]
  private let began: (time: Double, done: Int)
  private var lastShown: Double?
  private var pending: (done: Int, note: String)?
  private var isFinished = false

  /// Begins a job.
  ///
  /// - Parameters:
  ///   - label: What is done: `train`, `profile`.
  ///   - total: How many units there are; `nil` if unknown.
  ///   - unit: Plural: `steps`, `documents`.
  ///   - done: Units done before, in a resumed job; they do not count in the rate.
  ///   - start: When the job began, on the clock; now if left out.
  ///   - output: Where lines go.
  ///   - clock: Seconds that never go back.
  public init(
    label: String, total: Int?, unit: String, done: Int = 0, since start: Double? = nil,
    output: Output = .standardError,
    clock: @escaping () -> Double = Clock.monotonic
  ) {
    self.label = label
    self.total = total
    self.unit = unit
    self.output = output
    self.clock = clock
    interval = output.isTerminal ? 0.25 : 10
    began = (start ?? clock(), done)
    samples = [began]
  }

  /// Tells that `done` units are done; shown at most four times a second on a terminal, every ten seconds elsewhere.
  /// `note` is what else to show, such as a loss.
  public func update(_ done: Int, note: String = "") {
    precondition(!isFinished, "ProgressLine '\(label)': update after finish")
    let now = clock()
    samples.append((now, done))
    while samples.count > 2, now - samples[0].time > 30 { samples.removeFirst() }
    pending = (done, note)
    if let lastShown, now - lastShown < interval { return }
    show(now)
  }

  /// Clears the way for other text on a terminal, such as a warning; the next update draws the line again.
  public func interrupt() {
    if output.isTerminal, lastShown != nil { output.write("\r\u{1B}[K") }
    lastShown = nil
  }

  /// Writes a line that stays; the next update draws the progress below it.
  public func say(_ line: String) {
    interrupt()
    output.write(Printable.text(line) + "\n")
  }

  /// Ends with the last state, the time it took and the mean rate. Finishing twice does nothing.
  ///
  /// - Parameter note: Replaces the last note.
  public func finish(note: String? = nil) {
    guard !isFinished else { return }
    isFinished = true
    let (done, last) = pending ?? (began.done, "")
    let seconds = clock() - began.time
    let rate = seconds >= Self.leastSeconds ? Double(done - began.done) / seconds : 0
    let text = parts(done, rate: rate, time: "in \(Self.duration(seconds))", note: note ?? last)
    output.write((output.isTerminal ? "\r\u{1B}[K" : "") + text + "\n")
  }

  private func show(_ now: Double) {
    guard let (done, note) = pending else { return }
    let seconds = now - samples[0].time
    let rate = seconds >= Self.leastSeconds ? Double(done - samples[0].done) / seconds : 0
    let left = total.flatMap { rate > 0 ? "\(Self.duration(Double($0 - done) / rate)) left" : nil } ?? ""
    let text = parts(done, rate: rate, time: left, note: note)
    output.write(output.isTerminal ? "\r" + text.prefix(output.columns - 1) + "\u{1B}[K" : text + "\n")
    lastShown = now
  }

  private func parts(_ done: Int, rate: Double, time: String, note: String) -> String {
    var parts = [label]
    if let total {
      parts.append("\(done)/\(total) \(unit)")
      if total > 0 { parts.append("\(done * 100 / total)%") }
    } else {
      parts.append("\(done) \(unit)")
    }
    if rate > 0 { parts.append("\(Self.short(rate)) \(unit)/s") }
    return Printable.text((parts + [time, note]).filter { !$0.isEmpty }.joined(separator: "  "))
  }

  /// Two to three digits that matter: `0.042`, `2.1`, `315`, `12345`.
  static func short(_ value: Double) -> String {
    let digits = value >= 100 ? 0 : value >= 1 ? 1 : value >= 0.1 ? 2 : 3
    return String(format: "%.\(digits)f", value)
  }

  /// A duration and how it is to be read: `12:30 (m:ss)`, `3:05:00 (h:mm:ss)`.
  public static func durationWithUnits(_ seconds: Double) -> String {
    let text = duration(seconds)
    return text + (text.split(separator: ":").count == 3 ? " (h:mm:ss)" : " (m:ss)")
  }

  /// `0:07`, `12:30`, `3:05:00`; days count as hours.
  public static func duration(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds, 0), 1e9).rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    let two = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
  }
}
