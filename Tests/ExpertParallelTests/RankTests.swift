import Foundation
import TestSupport
import Testing

/// Several ranks against one process, with real `mpirun`: every case of `Tests/Ranks`, each a line of its output.
@Suite(.serialized) struct RankTests {
  /// Beside the bundle of tests, which is the running program.
  static let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appendingPathComponent("Ranks").path

  /// Output and exit code of `mpirun -n ranks Ranks`; ``Hang/status`` where it hangs.
  static func run(ranks: Int, _ arguments: [String] = []) throws -> (status: Int32, output: String) {
    let process = Hang.mpirun(ranks, program, arguments)
    let file = NSTemporaryDirectory() + "/occult-ranks-" + UUID().uuidString
    _ = FileManager.default.createFile(atPath: file, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: file) }
    let output = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    process.standardOutput = output
    process.standardError = output
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, try String(contentsOfFile: file, encoding: .utf8))
  }

  @Test(arguments: [(1, []), (2, []), (4, []), (8, ["few"])] as [(Int, [String])])
  func ranksComputeWhatOneProcessDoes(ranks: Int, arguments: [String]) throws {
    let (status, output) = try Self.run(ranks: ranks, arguments)
    let lines = output.split(separator: "\n")
    let failures = lines.filter { !$0.hasPrefix("pass") }
    #expect(status == 0 && failures.isEmpty, "\(failures.joined(separator: "\n"))")
    #expect(lines.count > (arguments.isEmpty ? 150 : 80))
  }
}
