internal import Foundation

/// What else the machine did while something was measured.
public struct MachineLoad: Sendable, Equatable, Encodable {
  /// Processors that the machine has.
  public let processors: Int
  /// How many of them others used: other programs, the kernel, and what a hypervisor gave to other machines.
  public let others: Double
  /// Mean number of threads that wanted to run in the last minute, as `uptime` says it.
  public let average: Double

  private enum CodingKeys: String, CodingKey {
    case processors
    case others = "processors_used_by_others"
    case average = "load_average"
  }

  /// A load; see the properties.
  public init(processors: Int, others: Double, average: Double) {
    (self.processors, self.others, self.average) = (processors, others, average)
  }

  /// Whether that disturbs a measurement on all processors: from a tenth of them on.
  public var isBusy: Bool { others >= 0.1 * Double(processors) }

  /// `busy machine: others use 1.4 of 2 processors (load average 5.2)`.
  public var words: String {
    func digits(_ value: Double) -> String { String(format: "%.1f", value) }
    return "busy machine: others use \(digits(others)) of \(processors) processors (load average \(digits(average)))"
  }

  /// Runs a measurement and looks at the machine meanwhile.
  public static func during<Result>(_ body: () -> Result) -> (result: Result, load: MachineLoad) {
    func now() -> (time: Double, own: Double, all: (busy: Double, processors: Int)) {
      let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
      return (ProcessorTime.wall, ProcessorTime.process, busy(text, ticks: Double(sysconf(Int32(_SC_CLK_TCK)))))
    }
    let before = now()
    let result = body()
    let after = now()
    let seconds = max(after.time - before.time, 1e-9)
    let others = (after.all.busy - before.all.busy - (after.own - before.own)) / seconds
    var averages = [0.0, 0, 0]
    getloadavg(&averages, 3)
    return (
      result,
      MachineLoad(
        processors: after.all.processors, others: min(max(others, 0), Double(after.all.processors)),
        average: averages[0])
    )
  }

  /// Seconds that all processors together have worked since the machine started, and how many there are.
  ///
  /// - Parameters:
  ///   - text: `/proc/stat`: `cpu user nice system idle iowait irq softirq steal …`, then a line for each processor.
  ///   - ticks: Units of that file in a second.
  /// - Returns: Nothing and one processor where the text is none of that file.
  static func busy(_ text: String, ticks: Double) -> (busy: Double, processors: Int) {
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("cpu") }
    let columns = lines.first?.split(separator: " ").dropFirst().compactMap { Double($0) } ?? []
    let worked = columns.prefix(8).enumerated().reduce(0.0) { sum, column in
      column.offset == 3 || column.offset == 4 ? sum : sum + column.element
    }
    return (worked / ticks, max(1, lines.count - 1))
  }
}

/// Clocks in seconds.
package enum ProcessorTime {
  /// Time that passes.
  package static var wall: Double { seconds(CLOCK_MONOTONIC) }
  /// Time that processors have worked for this process.
  static var process: Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }
  /// Time that a processor has worked for this thread: what others take of it does not count.
  package static var thread: Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
