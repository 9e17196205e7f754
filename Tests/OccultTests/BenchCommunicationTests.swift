import Formats
import Routing
import Foundation
import TestSupport
import Testing

/// `occult bench communication` under real `mpirun`: what was passed to MPI is what the formula says.
@Suite struct BenchCommunicationTests {
  private struct Report: Decodable {
    struct Row: Decodable {
      let name: String
      let nodes: Int
      let overlap: Bool
      let remote_copies, copies_between_nodes: Double
      let formula_bytes, formula_bytes_between_nodes: Int
      let bytes, bytes_between_nodes: [String: [String: Int]]
      let times: [String: Time]
    }
    struct Time: Decodable { let seconds, compute: Double }

    let devices: Int
    let rows: [Row]
  }

  /// 64 tokens with two of eight experts each.
  private static func trace(_ path: String) throws {
    var random = SplitMix64(seed: 10)
    var lines = [#"{"type": "meta", "num_experts": 8}"#]
    for token in 0..<64 {
      let first = random.below(8)
      let second = (first + 1 + random.below(7)) % 8
      lines.append(
        #"{"type": "route", "token_idx": \#(token), "layer": 0, "topk_ids": [\#(first), \#(second)], "#
          + #""topk_weights": [0.6, 0.3]}"#)
    }
    try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
  }

  private static func run(_ folder: String, ranks: Int) throws -> (status: Int32, out: Data) {
    let process = Hang.mpirun(
      ranks, CommandLineTests.program.path,
      ["bench", "communication", "--trace", folder + "/trace.jsonl", "--hidden", "16", "--intermediate", "4"]
        + ["--heads", "2", "--vocabulary", "32", "--tokens", "8", "--rounds", "1", "--json"])
    _ = FileManager.default.createFile(atPath: folder + "/out", contents: nil)
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: folder + "/out"))
    (process.standardOutput, process.standardError) = (file, FileHandle.nullDevice)
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try Data(contentsOf: URL(fileURLWithPath: folder + "/out")))
  }

  @Test(arguments: [2, 4])
  func bytesAreThoseOfTheFormula(ranks: Int) throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Self.trace(folder + "/trace.jsonl")
    let (status, out) = try Self.run(folder, ranks: ranks)
    #expect(status == 0)
    let report = try JSONDecoder().decode(Report.self, from: out)
    #expect(report.devices == ranks)
    var copies: [String: Double] = [:]
    for row in report.rows {
      copies[row.name] = row.remote_copies
      // Float32, 16 wide.
      #expect(row.formula_bytes == Int((row.remote_copies * Double(8 * ranks)).rounded()) * 64)
      #expect(row.bytes.count == 4)
      #expect(row.bytes.values.allSatisfy { $0["rows"] == row.formula_bytes }, "\(row.name): \(row.bytes)")
      #expect(row.formula_bytes_between_nodes == Int((row.copies_between_nodes * Double(8 * ranks)).rounded()) * 64)
      #expect(
        row.bytes_between_nodes.values.allSatisfy { $0["rows"] == row.formula_bytes_between_nodes },
        "\(row.name): \(row.bytes_between_nodes)")
      #expect(row.times.values.allSatisfy { $0.seconds > 0 && $0.compute > 0 })
    }
    let (naive, contiguous) = (try #require(copies["naive"]), try #require(copies["contiguous"]))
    #expect(naive > contiguous && contiguous > 0)
    // One device each, elsewhere than home for some.
    let limited = try #require(copies["placed L=1"])
    #expect(limited > 0 && limited <= 1)
    #expect(report.rows.count == (ranks == 2 ? 8 : 14))
    #expect(report.rows.filter(\.overlap).map(\.name) == ["overlap"])
    // Four ranks are on two nodes: crossing to each once sends less between them than a copy for each device.
    let layered = report.rows.filter { $0.nodes > 1 }
    #expect(layered.map(\.name) == (ranks == 2 ? [] : ["contiguous 2 nodes", "placed 2 nodes"]))
    if let layered = layered.first {
      let direct = try #require(report.rows.first { $0.name == "contiguous" })
      #expect(layered.copies_between_nodes < direct.copies_between_nodes && layered.copies_between_nodes > 0)
    }
  }

  @Test func oneProcessIsToldHowToStartSeveral() throws {
    let result = try CommandLineTests.run(["bench", "communication", "--trace", "x.jsonl"])
    #expect(result.status != 0)
    #expect(
      result.error.contains(
        "communication: expected several ranks, found one process; try mpirun -n 4 occult bench communication …"))
  }
}
