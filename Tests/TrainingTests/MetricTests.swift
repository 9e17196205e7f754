import Foundation
import Testing

@testable import Training

@Suite struct MetricTests {
  private func lines(_ path: String) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
  }

  @Test func recordsAreInTableOrderAndReadBack() throws {
    let text = JSONLinesSink.record(
      step: 3,
      values: [.devicesPerToken: 1.5, .ce: 0.1 + 0.2, .lr: 2e-5, .tokens: 12288, .aux: .nan, .z: .infinity, .loss: 2])
    #expect(
      text == #"{"step":3,"tokens":12288,"loss":2.0,"ce":0.30000000000000004,"lr":2e-05,"devices_per_token":1.5}"#)
    struct Record: Decodable { let ce: Double }
    #expect(try JSONDecoder().decode(Record.self, from: Data(text.utf8)).ce == 0.1 + 0.2)
  }

  @Test func tasksComeLastByName() {
    let text = JSONLinesSink.record(
      step: 1, values: [.ce: 1], tasks: ["piqa/acc": 0.5, "a \"b\"/acc,x": 1, "nothing/acc": .nan])
    #expect(text == #"{"step":1,"ce":1.0,"tasks/a \"b\"/acc,x":1.0,"tasks/piqa/acc":0.5}"#)
  }

  @Test func namesAndTagsAreDistinct() {
    #expect(Set(Metric.allCases.map(\.tag)).count == Metric.allCases.count)
    #expect(Metric.allCases.allSatisfy { $0.tag.contains("/") })
    #expect(Metric.loss.tag == "train/loss")
    #expect(Metric.devicesPerToken.tag == "comm/devices_per_token")
  }

  @Test func everyRecordIsWrittenAtOnce() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/metrics.jsonl"
    let sink = try JSONLinesSink(path: path)
    try sink.log(step: 1, values: [.ce: 1])
    #expect(try lines(path) == [#"{"step":1,"ce":1.0}"#])
    try sink.close()
    try sink.close()
    #expect(throws: MetricError.file(path: path, action: "create", reason: "File exists")) {
      try JSONLinesSink(path: path)
    }
  }

  @Test(arguments: [(1, ["1", "9"]), (2, ["1", "2", "9"]), (3, ["1", "2", "3", "9"])])
  func resumingCutsOffLaterRecords(step: Int, steps: [String]) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/metrics.jsonl"
    // The last record was torn by a crash.
    try folder.write("metrics.jsonl", "{\"step\":1}\n{\"step\":2,\"ce\":1}\n{\"step\":3}\n{\"step\":4,\"ce\":")
    let record = try MetricsRecord(path: path, upTo: step, run: "a", isAdopted: true)
    let sink = try JSONLinesSink(path: path, keeping: record.keptBytes)
    try sink.log(step: 9, values: [:])
    try sink.close()
    #expect(try lines(path).map { $0.filter(\.isNumber).prefix(1) } == steps.map { $0[...] })
  }

  @Test(arguments: [
    ("1 2 3", nil), ("0 1 2 3 4", nil), ("", "3:0: expected records up to step 3, found none"),
    ("1 2", ":2: expected records up to step 3, found none behind step 2"),
    ("2 3", ":1: expected step 0 or 1, found step 2"), ("1 3", ":2: expected step 2, found step 3"),
    ("0 1 1 2 3", ":3: expected step 2, found step 1"), ("1 2 3 9", nil),
    ("1 9 3", ":2: expected step 2, found step 9"),
    ("1 x 3", ":2: expected an object with an integer \"step\", found something else"),
    ("1 -1 3", ":2: expected step 2, found step -1"),
  ])
  func recordsThatDoNotLeadToTheCheckpointAreRefused(steps: String, message: String?) throws {
    let folder = try TemporaryFolder()
    let text = steps.split(separator: " ").map { "{\"step\":\($0),\"run\":\"a1\"}\n" }.joined()
    try folder.write("metrics3", text)
    let path = folder.path + "/metrics3"
    let read = { try MetricsRecord(path: path, upTo: 3, run: "a1", isAdopted: false) }
    guard let message else {
      #expect(try text.prefix(read().keptBytes).hasSuffix("{\"step\":3,\"run\":\"a1\"}\n"))
      return
    }
    let error = #expect(throws: RunFolderError.self) { try read() }
    #expect(error?.description.contains(message) == true, "\(error as Any)")
    // What cannot be continued stays as it was.
    #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
  }

  @Test func recordsOfAnotherRunAreRefused() throws {
    let folder = try TemporaryFolder()
    try folder.write("metrics.jsonl", "{\"step\":1,\"run\":\"a1\"}\n{\"step\":2,\"run\":\"b2\"}\n{\"step\":3}\n")
    let path = folder.path + "/metrics.jsonl"
    #expect(throws: RunFolderError.otherRun(path: path + ":2", expected: "a1", found: "b2")) {
      try MetricsRecord(path: path, upTo: 2, run: "a1", isAdopted: true)
    }
    #expect(throws: RunFolderError.otherRun(path: path + ":1", expected: "b2", found: "a1")) {
      try MetricsRecord(path: path, upTo: 1, run: "b2", isAdopted: false)
    }
  }

  @Test func aFullDiskIsAnError() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    let sink = try JSONLinesSink(path: "/dev/full", keeping: 0)
    let error = #expect(throws: MetricError.self) { try sink.log(step: 1, values: [:]) }
    #expect(
      error?.description == "/dev/full: expected to write it, found: No space left on device; "
        + "try another output folder or free some space")
  }

  @Test func oneFailingSinkDoesNotSilenceTheOthers() throws {
    final class Broken: MetricSink {
      func logConfig(_ yaml: String) throws(MetricError) {}
      func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError) {
        throw .file(path: "broken", action: "write", reason: "step \(step)")
      }
      func close() throws(MetricError) {}
    }
    let folder = try TemporaryFolder()
    let path = folder.path + "/metrics.jsonl"
    let sinks = MetricSinks([Broken(), try JSONLinesSink(path: path)])
    #expect(throws: MetricError.file(path: "broken", action: "write", reason: "step 5")) {
      try sinks.log(step: 5, values: [:])
    }
    try sinks.close()
    #expect(try lines(path) == [#"{"step":5}"#])
  }
}
