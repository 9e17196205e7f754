import Foundation

/// Runs one scenario, undisturbed and with faults, in a workplace of its own.
final class Trial {
  let scenario: Scenario
  let place: String
  private let scratch: String
  private let ground: Ground
  private let shell: Shell
  private let preload: Preload
  /// Inputs, results before and after, everything complete in between.
  private var inputs = Snapshot()
  private var final = Snapshot()
  private var known = Known()
  /// The file that the fault keeps from being removed.
  private var spared = ""
  /// Files and folders before the command.
  private var begun: Set<String> = []
  private(set) var calls: [Call] = []

  /// A trial in a folder of this worker alone.
  init(_ scenario: Scenario, _ ground: Ground, in folder: String, preload: Preload) {
    (self.scenario, self.ground, self.preload) = (scenario, ground, preload)
    (scratch, place) = (folder, folder + "/place")
    shell = Shell(scratch: folder)
  }

  // MARK: Undisturbed

  /// Learns calls and results, twice: they must repeat, or comparing means nothing.
  func learn() throws {
    try prepare()
    begun = entries()
    let found = Snapshot(place)
    inputs.files = found.files.filter { !scenario.isOutput($0.key) }
    var earlier = Snapshot()
    earlier.files = found.files.filter { scenario.isOutput($0.key) }
    known.addOld(earlier)
    let keep = scratch + "/keep"
    try? FileManager.default.removeItem(atPath: keep)
    try FileManager.default.createDirectory(atPath: keep, withIntermediateDirectories: true)
    try succeed(preload.environment(place, scratch: scratch, keep: keep))
    let trace = Call.read((try? String(contentsOfFile: scratch + "/trace", encoding: .utf8)) ?? "")
    calls = trace.calls
    guard calls.contains(where: { $0.name == "open" }) else { throw failure("calls on its files", "none") }
    for (copy, path) in trace.kept { addKept(keep + "/" + copy, String(path.dropFirst(place.count + 1))) }
    final = results()
    known.addNew(final)
    try prepare()
    try succeed(preload.environment(place, scratch: scratch))
    if let difference = difference() { throw failure("the same results twice", difference) }
    for (path, reader) in units() where try !accepts(reader) {
      throw failure("\(path) to be accepted by \(reader)", "an error")
    }
  }

  private func addKept(_ copy: String, _ path: String) {
    var snapshot = Snapshot()
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: copy, isDirectory: &isFolder) else { return }
    if isFolder.boolValue {
      for name in Snapshot.paths(copy) {
        snapshot.files[path + "/" + name] = Contents(copy + "/" + name, as: path + "/" + name)
      }
    } else {
      snapshot.files[path] = Contents(copy, as: path)
    }
    known.addNew(snapshot)
  }

  private func succeed(_ environment: [String: String]) throws {
    let ending = try run(scenario.arguments, environment)
    guard ending.code == 0 else { throw failure("it to work", "\(ending.words): \(ending.error)") }
  }

  private func failure(_ expected: String, _ found: String) -> Options.Failure {
    Options.Failure(description: "\(scenario.name), undisturbed: expected \(expected), found \(found)")
  }

  // MARK: With a fault

  func run(_ fault: Case) throws -> Outcome {
    try prepare()
    let environment = preload.environment(place, scratch: scratch, fault: fault)
    let ending = try run(scenario.arguments, environment)
    var outcome = Outcome()
    guard FileManager.default.fileExists(atPath: scratch + "/fired") else {
      outcome.ending = .missed
      return outcome
    }
    let trace = Call.read((try? String(contentsOfFile: scratch + "/trace", encoding: .utf8)) ?? "")
    let call = trace.calls.first { $0.name == fault.call && $0.number == fault.number }
    // What could not be removed is there.
    spared = call.map { ["unlink", "rmdir"].contains($0.name) && !fault.action.kills ? $0.path : "" } ?? ""
    outcome.ending = judge(ending, fault, call, &outcome.findings)
    outcome.findings += changedInputs()
    if ending.code == 0 {
      if let difference = difference() {
        outcome.findings.append(Finding(.silent, "exit 0 and \(difference)"))
      }
      outcome.findings += leftovers()
      return outcome
    }
    let before = results()
    outcome.findings += try damage(before)
    outcome.findings += try again(after: ending.error, isUntouched: entries() == begun)
    return outcome
  }

  /// Whether the command ended as it may.
  private func judge(_ ending: Ending, _ fault: Case, _ call: Call?, _ findings: inout [Finding]) -> Outcome.Ending {
    if ending.isLate {
      findings.append(Finding(.hang, "did not end within \(Int(Shell.patience)) s"))
      return .refused
    }
    if let signal = ending.signal {
      if fault.action.kills, signal == SIGKILL { return .killed }
      if fault.call == "memory", entries() == begun { return .shortOfMemory }
      findings.append(Finding(.trap, "\(ending.words); \(Self.brief(ending.error))"))
      return .refused
    }
    if ending.code == 0 { return .absorbed }
    let said = ending.error
    if scenario.ranks != nil, said.contains("on signal") {
      if fault.action.kills { return .killed }
      if fault.call == "memory", entries() == begun { return .shortOfMemory }
      findings.append(Finding(.trap, Self.brief(said)))
      return .refused
    }
    if said.contains("NSCocoaErrorDomain") || said.contains("Error Domain") || said.contains("couldn’t be completed") {
      findings.append(Finding(.message, "a message of Foundation's: \(Self.brief(said))"))
    } else if fault.call == "memory" {
      if !said.contains("memory") { findings.append(Finding(.message, "no 'memory' in: \(Self.brief(said))")) }
    } else if let reason = fault.action.reason, !said.contains(reason) {
      findings.append(Finding(.message, "no reason ('\(reason)') in: \(Self.brief(said))"))
    } else if let call, call.path != place, !Self.names(call.path, in: said) {
      findings.append(Finding(.message, "no name of \(call.path.dropFirst(place.count + 1)) in: \(Self.brief(said))"))
    }
    return .refused
  }

  /// Whether a message names the file of a call, its final name, or its folder.
  private static func names(_ path: String, in said: String) -> Bool {
    path.components(separatedBy: " -> ").contains { path in
      let parts = path.split(separator: "/").suffix(2).map(String.init)
      return parts.contains { part in
        let plain = part.replacing(".tmp", with: "")
        return !plain.isEmpty && said.contains(plain)
      }
    }
  }

  static func brief(_ text: String) -> String {
    let line = text.replacing("\n", with: " ⏎ ").replacing("\t", with: " ")
    return line.count > 400 ? "… " + String(line.suffix(400)) : line
  }

  // MARK: What is left

  private func changedInputs() -> [Finding] {
    inputs.files.compactMap { path, contents in
      Contents(place + "/" + path) == contents ? nil : Finding(.input, "\(path) has changed")
    }
  }

  /// Every file under a final name is complete, or its reader refuses it.
  private func damage(_ found: Snapshot) throws -> [Finding] {
    var findings: [Finding] = []
    for (path, contents) in found.files.sorted(by: { $0.key < $1.key }) {
      if Snapshot.isTemporary(path) || Snapshot.isEvents(path) { continue }
      guard known.age(path, contents) == .unknown, scenario.group(of: path)?.reader == nil else { continue }
      if path.hasSuffix("metrics.jsonl"), known.isBeginning(path, of: place) { continue }
      guard let reader = scenario.reader(of: path) else {
        findings.append(Finding(.torn, "\(path) is neither the old nor the new one, and nobody reads it"))
        continue
      }
      if try accepts(reader) {
        findings.append(Finding(.torn, "\(path) is neither the old nor the new one, and accepted"))
      }
    }
    for group in scenario.groups {
      if let finding = try damage(found, group) { findings.append(finding) }
    }
    return findings
  }

  private func damage(_ found: Snapshot, _ group: Scenario.Group) throws -> Finding? {
    let files = found.files.filter {
      ($0.key == group.path || $0.key.hasPrefix(group.path + "/")) && !Snapshot.isTemporary($0.key)
        && !Snapshot.isEvents($0.key) && !group.isMarker($0.key)
    }
    if files.isEmpty { return nil }
    let ages = files.map { known.age($0.key, $0.value) }
    let isMixed = ages.contains(.old) && ages.contains(.new)
    let names = Set(files.keys.map(Snapshot.name))
    func isWhole(_ all: [String: [Contents]], _ other: Known.Age) -> Bool {
      let wanted = Set(
        all.keys.filter { ($0 == group.path || $0.hasPrefix(group.path + "/")) && !group.isMarker($0) })
      return !wanted.isEmpty && names == wanted && !ages.contains(.unknown) && !ages.contains(other)
    }
    if isWhole(known.old, .new) || isWhole(known.new, .old) { return nil }
    guard let reader = group.reader else {
      return isMixed ? Finding(.mixed, "\(group.path) holds old and new files") : nil
    }
    guard try accepts(reader) else { return nil }
    if isMixed { return Finding(.mixed, "\(group.path) holds old and new files, and is accepted") }
    return Finding(
      .torn, "\(group.path) is accepted with \(files.count) files: \(files.keys.sorted().joined(separator: ", "))")
  }

  /// Whether a reader takes what is there.
  private func accepts(_ reader: [String]) throws -> Bool { try start(preload.program, reader, [:]).code == 0 }

  /// Results that an undisturbed run leaves, each with its reader.
  private func units() -> [(path: String, reader: [String])] {
    let files: [(path: String, reader: [String])] = final.files.keys.sorted().compactMap { path in
      guard scenario.group(of: path)?.reader == nil, let reader = scenario.reader(of: path) else { return nil }
      return (path, reader)
    }
    return files + scenario.groups.compactMap { group in group.reader.map { (group.path, $0) } }
  }

  // MARK: The same command again

  private func again(after said: String, isUntouched: Bool) throws -> [Finding] {
    if isUntouched, scenario.earlier.isEmpty { return [] }
    var ending = try run(scenario.arguments, [:])
    var arguments = scenario.arguments
    for _ in 0..<2 where ending.code != 0 {
      let next = scenario.again(after: ending.error)
      if next == arguments { break }
      arguments = next
      ending = try run(arguments, [:])
    }
    let words = "occult \(arguments.joined(separator: " "))"
    // A kill after the last change: all is there, and a new name is asked for.
    if ending.code == 1, ending.error.contains("expected a new"), difference() == nil { return leftovers() }
    guard ending.code == 0 else {
      return [Finding(.again, "'\(words)': \(ending.words): \(Self.brief(ending.error))")]
    }
    if let difference = difference() { return [Finding(.again, "'\(words)' worked, and \(difference)")] }
    return leftovers()
  }

  /// What differs from the results of an undisturbed run; nil for nothing.
  private func difference() -> String? {
    let found = results()
    let names = Dictionary(grouping: found.files, by: { Snapshot.name($0.key) })
    for (path, contents) in final.files.sorted(by: { $0.key < $1.key }) where !Snapshot.isTemporary(path) {
      let files = names[Snapshot.name(path)] ?? []
      if files.isEmpty { return "\(path) is missing" }
      if Snapshot.isEvents(path) { continue }
      if !files.contains(where: { $0.value == contents }), let file = files.first {
        return "\(path) has other contents, \(file.value.difference(from: contents))"
      }
    }
    return nil
  }

  /// Files that an undisturbed run does not leave.
  private func leftovers() -> [Finding] {
    let kept = Set(final.files.keys.map(Snapshot.name))
    let more = Snapshot.paths(place).filter {
      !kept.contains(Snapshot.name($0)) && inputs.files[$0] == nil && place + "/" + $0 != spared
    }
    return more.isEmpty ? [] : [Finding(.leftover, "there are also \(more.joined(separator: ", "))")]
  }

  // MARK: The workplace

  private func prepare() throws {
    let manager = FileManager.default
    try? manager.removeItem(atPath: place)
    for name in ["trace", "fired", "check", "check.h5"] { try? manager.removeItem(atPath: scratch + "/" + name) }
    try manager.createDirectory(atPath: place + "/tmp", withIntermediateDirectories: true)
    for name in scenario.inputs { try manager.copyItem(atPath: ground.path + "/" + name, toPath: place + "/" + name) }
    for (from, to) in scenario.earlier {
      try manager.copyItem(atPath: ground.path + "/" + from, toPath: place + "/" + to)
    }
  }

  private func entries() -> Set<String> { Set((try? FileManager.default.subpathsOfDirectory(atPath: place)) ?? []) }

  private func results() -> Snapshot {
    var snapshot = Snapshot()
    for path in Snapshot.paths(place) where inputs.files[path] == nil {
      snapshot.files[path] = Contents(place + "/" + path)
    }
    return snapshot
  }

  private func run(_ arguments: [String], _ environment: [String: String]) throws -> Ending {
    guard let ranks = scenario.ranks else { return try start(preload.program, arguments, environment) }
    let settings = [
      "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "FAULTS_RANK": "\(ranks.disturbed)",
    ]
    // More ranks than processors give way to each other while they wait.
    let words = [
      "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "--mca", "orte_tmpdir_base", "/tmp", "-n",
      "\(ranks.count)", preload.program,
    ]
    return try start("mpirun", words + arguments, environment.merging(settings) { $1 })
  }

  private func start(_ program: String, _ arguments: [String], _ environment: [String: String]) throws -> Ending {
    try shell.run(
      program, arguments, in: place,
      environment: environment.merging(["OCCULT_THREADS": "1", "TMPDIR": place + "/tmp"]) { $1 })
  }

  /// The command line that repeats a case by hand, in the workplace that it left.
  func command(_ fault: Case) -> String {
    let settings = preload.environment(place, scratch: scratch, fault: fault)
      .merging(["OCCULT_THREADS": "1", "TMPDIR": place + "/tmp"]) { $1 }
    let words = settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return "cd \(place) && env \(words.joined(separator: " ")) \(preload.program) "
      + scenario.arguments.joined(separator: " ")
  }
}
