import Formats
import Routing
import Dispatch
import Foundation
import Synchronization

/// All cases of all scenarios, several at a time, with a log that a later run goes on from.
final class Campaign: Sendable {
  private let options: Options
  private let preload: Preload
  private let log: Log
  private let scenarios: [Scenario]

  init(_ options: Options) throws {
    var options = options
    try FileManager.default.createDirectory(atPath: options.folder, withIntermediateDirectories: true)
    // Calls are told by their paths: those of the system, without links and double slashes.
    if let path = realpath(options.folder, nil) {
      options.folder = String(cString: path)
      free(path)
    }
    self.options = options
    preload = try Preload(options)
    scenarios = Scenario.all.filter { $0.name.hasPrefix(options.scenario) }
    if scenarios.isEmpty {
      throw Options.Failure(
        description: "--scenario: expected one of \(Scenario.all.map(\.name).joined(separator: ", ")), found "
          + "'\(options.scenario)'")
    }
    let isWhole = options.sample == nil && options.only == nil
    log = try Log(
      options.folder + (isWhole ? "/log.tsv" : "/some.tsv"), stamp: Self.stamp(options),
      keeps: options.resumes && isWhole)
  }

  /// Program and library, as far as a log depends on them.
  private static func stamp(_ options: Options) -> String {
    var status = stat()
    stat(options.program, &status)
    return "\(options.program) \(status.st_size) \(status.st_mtim.tv_sec)"
  }

  /// Returns the exit status: 0 if nothing was found.
  func run() throws -> Int32 {
    let failures = Mutex<[String]>([])
    let jobs = options.only == nil ? options.jobs : 1
    DispatchQueue.concurrentPerform(iterations: jobs) { job in
      do {
        let folder = options.folder + "/job-\(job)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let ground = try Ground(
          at: folder + "/place", to: folder + "/ground", shell: Shell(scratch: folder), program: options.program)
        for scenario in scenarios {
          do {
            try work(Trial(scenario, ground, in: folder, preload: preload), job, of: jobs)
          } catch {
            failures.withLock { $0.append("\(error)") }
          }
        }
      } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    say("\n" + log.table(scenarios.map(\.name)))
    for failure in failures.withLock({ $0 }) { FileHandle.standardError.write(Data("faults: \(failure)\n".utf8)) }
    if !failures.withLock({ $0.isEmpty }) { return 2 }
    return log.findings == 0 ? 0 : 1
  }

  private func work(_ trial: Trial, _ job: Int, of jobs: Int) throws {
    let scenario = trial.scenario
    try trial.learn()
    var cases = options.only.map { [$0] } ?? Self.cases(trial.calls, scenario.stride)
    if let sample = options.sample { cases = Self.sample(cases, sample / scenarios.count, options.seed, scenario.name) }
    if job == 0 { say("\(scenario.name): \(trial.calls.count) calls, \(cases.count) cases") }
    let unsynced = Call.unsynced(trial.calls).map { Finding(.unsynced, $0) }
    if job == 0, !unsynced.isEmpty, !log.has(scenario.name, "undisturbed") {
      log.add(scenario.name, "undisturbed", Outcome(findings: unsynced))
      for finding in unsynced { say("FOUND unsynced: \(scenario.name): \(finding.detail)") }
    }
    if options.lists { return job == 0 ? cases.forEach { say("  \($0)") } : () }
    for (index, fault) in cases.enumerated() where index % jobs == job && !log.has(scenario.name, "\(fault)") {
      let outcome = try trial.run(fault)
      log.add(scenario.name, "\(fault)", outcome)
      for finding in outcome.findings {
        say(
          "FOUND \(finding.kind.rawValue): \(scenario.name) \(fault): \(finding.detail)\n"
            + "  again: \(CommandLine.arguments[0]) --occult \(options.program) --scenario \(scenario.name) --case \(fault)"
        )
      }
      if options.only != nil { say("by hand: \(trial.command(fault))") }
    }
  }

  private static func cases(_ calls: [Call], _ stride: Int) -> [Case] {
    var cases = calls.enumerated().filter { $0.offset % stride == 0 }.flatMap { _, call in
      call.actions.map { Case(call, $0) }
    }
    if let last = calls.last(where: \.changesFiles) { cases.append(Case(last, .killAfter)) }
    return cases
  }

  /// So many cases, of every call and action in turn.
  private static func sample(_ cases: [Case], _ count: Int, _ seed: UInt64, _ scenario: String) -> [Case] {
    var random = SplitMix64(seed: scenario.utf8.reduce(seed) { $0 &* 31 &+ UInt64($1) })
    let byKind = Dictionary(grouping: cases) { "\($0.call) \($0.action.name)" }
    var kinds = byKind.sorted { $0.key < $1.key }.map(\.value)
    kinds.shuffle(using: &random)
    // Kills and failures in turn.
    let parts = [kinds.filter { $0[0].action.kills }, kinds.filter { !$0[0].action.kills }]
    kinds = (0..<kinds.count).flatMap { index in parts.filter { index < $0.count }.map { $0[index] } }
    return kinds.prefix(max(count, 1)).compactMap { $0.randomElement(using: &random) }
  }

  /// A line at once, whatever standard output is.
  private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}
