import Foundation
import Testing

/// A sample of `make faults`: failing and killing system calls of every command that writes.
@Suite struct FaultTests {
  @Test func aSampleOfFaultsLosesNothing() throws {
    let folder = NSTemporaryDirectory() + "/occult-faults-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let process = Process()
    process.executableURL = CommandLineTests.program.deletingLastPathComponent().appendingPathComponent("Faults")
    process.arguments = [
      "--occult", CommandLineTests.program.path, "--folder", folder, "--sample", "100", "--seed", "1",
    ]
    let output = folder + "/said"
    _ = FileManager.default.createFile(atPath: output, contents: nil)
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
    (process.standardOutput, process.standardError, process.standardInput) = (file, file, FileHandle.nullDevice)
    try process.run()
    process.waitUntilExit()
    let said = try String(contentsOfFile: output, encoding: .utf8)
    #expect(process.terminationStatus == 0, "\(said)")
    // The table's last row counts all cases: an empty campaign finds nothing either.
    let total = said.split(separator: "\n").last { $0.hasPrefix("| all |") }?.split(separator: "|")
    #expect(Int(total?.dropFirst().first?.trimmingCharacters(in: .whitespaces) ?? "") ?? 0 >= 75, "\(said)")
  }
}
