import Foundation
import SwiftProtobuf
import Testing

@testable import Training

@Suite struct TensorBoardTests {
  private func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.filter(\.isHexDigit).map { UInt8($0.hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  /// A whole record as TensorFlow's writer frames it.
  @Test func recordOfTheFirstEvent() {
    let payload = bytes("09 0000000000000000 1a0d") + Array("brain.Event:2".utf8)
    #expect(payload.count == 24)
    #expect(
      TensorBoardSink.record(payload)
        == bytes("1800000000000000 a37f4b22 0900000000000000001a0d627261696e2e4576656e743a32 eedf28a3"))
  }

  /// Reads a file back with a reader of its own: lengths, both checksums, events.
  private func events(_ path: String) throws -> [TensorBoardEvent] {
    var rest = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))[...]
    var events: [TensorBoardEvent] = []
    while !rest.isEmpty {
      let length = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      let payload = Array(rest.dropFirst(12).prefix(length))
      #expect(Array(rest.prefix(16 + length)) == TensorBoardSink.record(payload))
      events.append(try TensorBoardEvent(serializedBytes: payload))
      rest = rest.dropFirst(16 + length)
    }
    return events
  }

  @Test func fileOfARun() throws {
    let folder = try TemporaryFolder()
    var now = 1_700_000_000.5
    let sink = try TensorBoardSink(folder: folder.path, host: "host") { now }
    #expect(sink.path == folder.path + "/events.out.tfevents.1700000000.host")
    try sink.logConfig("version: 1\nmodel: x\n")
    now += 1
    try sink.log(
      step: 7, values: [.ce: 2.5, .aux: .nan, .devicesPerToken: 1.25], tasks: ["piqa/acc": 0.5, "copa/acc": .nan])
    try sink.log(step: 8, values: [.ce: .infinity])
    let events = try events(sink.path)
    #expect(events.count == 3)
    #expect(events[0].fileVersion == "brain.Event:2")
    #expect(events[0].wallTime == 1_700_000_000.5)
    #expect(events[1].summary.value.map(\.tag) == ["recipe"])
    #expect(events[1].summary.value[0].metadata.pluginData.pluginName == "text")
    #expect(
      String(decoding: events[1].summary.value[0].tensor.stringVal[0], as: UTF8.self).hasPrefix("    version: 1\n"))
    #expect(events[2].step == 7)
    #expect(events[2].wallTime == 1_700_000_001.5)
    #expect(events[2].summary.value.map(\.tag) == ["train/ce", "comm/devices_per_token", "tasks/piqa/acc"])
    #expect(events[2].summary.value.map(\.simpleValue) == [2.5, 1.25, 0.5])
  }

  @Test func resumingOpensANewFileThatSaysSo() throws {
    let folder = try TemporaryFolder()
    let first = try TensorBoardSink(folder: folder.path, host: "host") { 5 }
    let second = try TensorBoardSink(folder: folder.path, resumedStep: 40, host: "host") { 5 }
    #expect(first.path != second.path)
    let events = try events(second.path)
    #expect(events.map(\.step) == [0, 41])
    #expect(events[1].sessionLog.status == .start)
  }

  /// Writes a run and its resumed part for `check_tensorboard.py`, which reads them with TensorBoard itself.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TENSORBOARD_FOLDER"] != nil))
  func filesForTheCheckScript() throws {
    let folder = try #require(ProcessInfo.processInfo.environment["TENSORBOARD_FOLDER"])
    let run = try TensorBoardSink(folder: folder, host: "a") { 1000 }
    try run.logConfig("version: 1\n")
    for step in 0..<6 { try run.log(step: step, values: [.ce: 10 - Double(step), .devicesPerToken: 1.5]) }
    let resumed = try TensorBoardSink(folder: folder, resumedStep: 3, host: "a") { 2000 }
    for step in 4..<8 { try resumed.log(step: step, values: [.ce: 20 - Double(step), .devicesPerToken: 1.5]) }
  }
}
