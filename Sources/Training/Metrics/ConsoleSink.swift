internal import Formats
internal import Foundation

/// Shows the progress of a run on the terminal: steps, rate, time left, and the figures one watches.
public final class ConsoleSink: MetricSink {
  private let progress: ProgressLine
  private let shown: [Metric]

  /// - Parameters:
  ///   - progress: A line that counts steps.
  ///   - shown: The figures beside it, in this order.
  public init(
    progress: ProgressLine,
    shown: [Metric] = [
      .ce, .aux, .z, .collaboration, .lr, .gradNorm, .tokensPerSecond, .devicesPerToken, .validationCE,
    ]
  ) {
    self.progress = progress
    self.shown = shown
  }

  /// Nothing: a recipe is long.
  public func logConfig(_ yaml: String) throws(MetricError) {}

  /// Moves the line on.
  public func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError) {
    if !tasks.isEmpty {
      let figures = tasks.sorted { $0.key < $1.key }.map { "\($0.key) \(decimal($0.value, 4))" }
      progress.say("step \(step): \(figures.joined(separator: "  "))")
    }
    progress.update(step, note: note(values))
  }

  /// Ends the line.
  public func close() throws(MetricError) {
    progress.finish()
  }

  /// `ce 2.3125  lr 2.00e-05`: four decimals, or an exponent where they would hide a small value.
  private func note(_ values: [Metric: Double]) -> String {
    shown.compactMap { metric in
      guard let value = values[metric], value.isFinite else { return nil }
      let text =
        if metric == .tokensPerSecond {
          ProgressLine.short(value)
        } else if value != 0, abs(value) < 0.001 {
          String(format: "%.2e", value)
        } else {
          decimal(value, 4)
        }
      return "\(metric.rawValue) \(text)"
    }.joined(separator: "  ")
  }
}
