import Foundation
import FoundationXML
import Testing

@testable import Evaluation

struct ReportTests {
  static func report(_ study: Study) throws -> String {
    Report(study: study, comparison: try Comparison(study, bootstrap: Bootstrap(draws: 200))).html
  }

  /// Set OCCULT_REPORT to a path to look at the sample.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OCCULT_REPORT"] != nil))
  func writesTheSample() throws {
    let path = try #require(ProcessInfo.processInfo.environment["OCCULT_REPORT"])
    let study = Sample.study()
    let comparison = try Comparison(study)
    try Report(study: study, comparison: comparison).html.write(toFile: path, atomically: true, encoding: .utf8)
    print(ComparisonTable(comparison).plain, comparison.headline, comparison.verdict.joined(separator: "\n"))
  }
}
