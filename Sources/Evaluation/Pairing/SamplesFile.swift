internal import Files
internal import Checkpoint
internal import Formats
internal import Foundation
internal import Text

/// Reads `samples_<task>_<time>.jsonl`: one JSON object a question, as lm-evaluation-harness writes it.
///
///     {"doc_id", "doc_hash", "target", "filter", "metrics": [name, …], name: value, …,
///      "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": continuation}, …},
///      "filtered_resps": [[log-likelihood, is greedy], …] or [text]}
///
/// The harness writes numbers in `target` and `filtered_resps` as strings; both forms are read, and so are Python's `NaN`
/// and `Infinity`. A metric's value is a number, true or false, or a pair of log-likelihood and count; others (those that
/// need the whole set, as `f1`) are left out. A metric with a value that cannot be compared is left out with a note; it is
/// an error where nothing else is left. Log-likelihoods of choices may be infinite.
struct SamplesFile {
  let path: String

  /// Reads the file.
  ///
  /// - Parameter task: Name of the task.
  /// - Returns: One task, or one for every filter.
  /// - Throws: ``PairingError`` that names file and line; `FileError` where it cannot be read.
  func tasks(_ task: String) throws -> [AnsweredTask] {
    let text = Array(try TextFile.read(path).utf8)
    var answers: [String: [String: Answer]] = [:]
    var (filters, number): ([String], Int) = ([], 0)
    var notes = SampleNotes(path: path)
    for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      guard line.contains(where: { $0 != 0x20 && $0 != 0x0D }) else { continue }
      let entry = try entry(line, number, &notes)
      if answers[entry.filter] == nil { filters.append(entry.filter) }
      guard answers[entry.filter, default: [:]].updateValue(entry.answer, forKey: entry.id) == nil else {
        throw PairingError.repeated(file: path, line: number, question: entry.id)
      }
    }
    guard !filters.isEmpty else {
      throw PairingError.damaged(file: path, line: 1, expected: "one object a question", found: "an empty file")
    }
    return try filters.enumerated().map { place, filter in
      let all = answers[filter] ?? [:]
      let names = Set(all.values.first.map { Array($0.values.keys) } ?? [])
      let metrics = all.values.reduce(names) { $0.intersection($1.values.keys) }
      if metrics.isEmpty, let problem = notes.problems[filter]?.first?.error { throw problem }
      return AnsweredTask(
        task: task, filter: filters.count > 1 ? filter : nil, isFurther: place > 0, metrics: metrics.sorted(),
        answers: all, notes: notes.words(of: filter, task) + (place == 0 ? notes.ofTheFile : []))
    }
  }

  private func entry(
    _ bytes: ArraySlice<UInt8>, _ line: Int, _ notes: inout SampleNotes
  ) throws -> (id: String, filter: String, answer: Answer) {
    let object = try Self.parse(Array(bytes), file: path, line: line)
    guard case .object(let members) = object else { throw damaged(line, "an object", object.kind) }
    guard let id = object["doc_id"]?.integer.map({ "\($0)" }) ?? object["doc_id"]?.string else {
      throw damaged(line, "a doc_id", object["doc_id"]?.kind ?? "no such key")
    }
    guard case .array(let list)? = object["metrics"] else {
      throw damaged(line, "a list of metrics", object["metrics"]?.kind ?? "no such key")
    }
    let (names, filter) = (list.compactMap(\.string), object["filter"]?.string ?? "none")
    var values: [String: MetricValue] = [:]
    for name in names {
      do throws(PairingError) {
        guard let value = object[name] else { throw damaged(line, "a value of \(name)", "no such key") }
        if let value = try metric(value, name, line) { values[name] = value }
      } catch {
        notes.add(error, of: name, filter: filter)
      }
    }
    for member in members where !HarnessKeys.samples.contains(member.key) && !names.contains(member.key) {
      if member.value != .null { notes.unread.add(member.key) }
    }
    let wording = try wording(object, values, line)
    if let bad = wording.logLikelihoods.first(where: { !$0.isFinite }) {
      notes.infinite.append((line, Self.words(.number(bad))))
    }
    let answer = Answer(
      hash: object["doc_hash"]?.string, promptHash: object["prompt_hash"]?.string, values: values, wording: wording)
    return (id, filter, answer)
  }

  /// One JSON value, with Python's NaN and Infinity.
  static func parse(_ bytes: [UInt8], file: String, line: Int) throws -> JSONValue {
    var parser = JSONParser(bytes, line: line, readsNonFinite: true)
    do throws(JSONError) {
      return try parser.document()
    } catch {
      throw PairingError.damaged(file: file, line: error.line, expected: "JSON", found: error.reason)
    }
  }

  private func metric(_ value: JSONValue, _ name: String, _ line: Int) throws(PairingError) -> MetricValue? {
    if case .array(let pair) = value {
      guard pair.count == 2, let sum = pair[0].numberOrText, let count = pair[1].numberOrText else { return nil }
      for (value, number) in zip(pair, [sum, count]) where !number.isFinite {
        throw .notFinite(file: path, line: line, name: name, found: Self.words(value))
      }
      guard count > 0 else { throw damaged(line, "a positive count in \(name)", "\(count)") }
      return .ratio(sum: sum, count: count)
    }
    guard let number = value.bool.map({ $0 ? 1 : 0 }) ?? value.numberOrText else { return nil }
    guard number.isFinite else { throw .notFinite(file: path, line: line, name: name, found: Self.words(value)) }
    return .number(number)
  }

  /// A number that is not finite as the file has it.
  private static func words(_ value: JSONValue) -> String {
    if let text = value.string { return text }
    guard let number = value.numberOrText else { return value.kind }
    return number.isNaN ? "NaN" : number > 0 ? "Infinity" : "-Infinity"
  }

  private func damaged(_ line: Int, _ expected: String, _ found: String) -> PairingError {
    .damaged(file: path, line: line, expected: expected, found: found)
  }

  private func wording(_ object: JSONValue, _ values: [String: MetricValue], _ line: Int) throws -> Wording {
    var requests: [(prompt: String, continuation: String)] = []
    var arguments: [String: JSONValue] = [:]
    if case .object(let members)? = object["arguments"] {
      for member in members { arguments[member.key] = member.value }
    }
    while let request = arguments["gen_args_\(requests.count)"] {
      requests.append((request["arg_0"]?.string ?? "", request["arg_1"]?.string ?? ""))
    }
    let target = object["target"]?.string ?? object["target"]?.integer.map { "\($0)" } ?? ""
    guard case .array(var responses)? = object["filtered_resps"], !responses.isEmpty else {
      throw damaged(line, "filtered_resps", object["filtered_resps"]?.kind ?? "no such key")
    }
    // For acc_mutual_info the choices come a second time, without a prompt.
    if values["acc_mutual_info"] != nil, responses.count.isMultiple(of: 2) {
      responses.removeLast(responses.count / 2)
    }
    let likelihoods = responses.map { response -> Double? in
      guard case .array(let pair) = response else { return nil }
      return pair.first?.numberOrText
    }
    guard responses.count > 1, requests.count >= responses.count, likelihoods.allSatisfy({ $0 != nil }) else {
      let answer = responses[0].string ?? likelihoods[0].map { "log-likelihood \(Numbers.fixed($0, 2))" } ?? ""
      let prompt = requests.first?.prompt ?? ""
      return Wording(
        prompt: prompt.isEmpty ? requests.first?.continuation ?? "" : prompt, choices: [], logLikelihoods: [],
        gold: nil, target: target, free: answer)
    }
    let numbers = likelihoods.compactMap(\.self)
    requests = Array(requests.prefix(numbers.count))
    // Choices are what differs: mostly the continuations, in tasks as WinoGrande the prompts.
    let isVaried = Set(requests.map(\.continuation)).count > 1
    func trimmed(_ text: String) -> String { text.hasPrefix(" ") ? String(text.dropFirst()) : text }
    let choices = isVaried ? requests.map { trimmed($0.continuation) } : requests.map(\.prompt)
    let prompt = isVaried ? requests[0].prompt : "…" + requests[0].continuation
    let unknown = Wording(
      prompt: prompt, choices: choices, logLikelihoods: numbers, gold: nil, target: target, free: "")
    return Wording(
      prompt: prompt, choices: choices, logLikelihoods: numbers, gold: gold(unknown, values), target: target, free: "")
  }

  /// The right choice: `target` is its index or its text; in tasks as WinoGrande it is neither, but `acc` tells.
  private func gold(_ wording: Wording, _ values: [String: MetricValue]) -> Int? {
    if let index = Int(wording.target), wording.choices.indices.contains(index) { return index }
    if let index = wording.choices.firstIndex(of: wording.target) { return index }
    guard let taken = wording.taken("acc"), let acc = values["acc"] else { return nil }
    if acc == .number(1) { return taken }
    return wording.choices.count == 2 ? 1 - taken : nil
  }
}

/// What is said of a samples file beside its answers.
private struct SampleNotes {
  let path: String
  /// By filter: metrics that cannot be compared, each with the first reason.
  private(set) var problems: [String: [(metric: String, error: PairingError)]] = [:]
  /// Keys that nothing reads.
  var unread = UnreadColumns()
  /// Lines with a log-likelihood of a choice that is not finite, and the value.
  var infinite: [(line: Int, found: String)] = []

  mutating func add(_ error: PairingError, of metric: String, filter: String) {
    if problems[filter]?.contains(where: { $0.metric == metric }) != true {
      problems[filter, default: []].append((metric, error))
    }
  }

  func words(of filter: String, _ task: String) -> [String] {
    (problems[filter] ?? []).map { "\(task): \($0.metric) is left out: \($0.error)" }
  }

  var ofTheFile: [String] {
    var notes: [String] = []
    if let first = infinite.first {
      notes.append(
        "\(path):\(first.line): a log-likelihood of a choice is \(first.found)"
          + (infinite.count > 1 ? ", and so in \(counted(infinite.count - 1, "more line"))" : "")
          + "; where the right choice has it, gold_logprob is not compared")
    }
    if let note = HarnessKeys.note(path, unread) { notes.append(note) }
    return notes
  }
}

extension JSONValue {
  /// A number, also one written as a string.
  fileprivate var numberOrText: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    case .string(let text): Double(text)
    default: nil
    }
  }
}
