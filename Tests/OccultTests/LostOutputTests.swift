import Checkpoint
import Foundation
import Testing

/// What a command prints or writes and the system does not take is an error, said in words.
@Suite struct LostOutputTests {
  /// Runs a line of shell with the program as `$occult`, and gives its status and what it says on standard error.
  private func shell(_ line: String) throws -> (status: Int32, error: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", line]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["occult": CommandLineTests.program.path, "tiny": CommandLineTests.tiny]) { $1 }
    let pipe = Pipe()
    (process.standardError, process.standardInput) = (pipe, FileHandle.nullDevice)
    try process.run()
    let error = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, error)
  }

  @Test(arguments: ["inspect $tiny --json", "inspect $tiny", "recipes show quickstart", "--help", "inspect --help"])
  func aFullDiskUnderStandardOutputIsAnError(arguments: String) throws {
    let found = try shell("cd '\(CommandLineTests.root)' && \"$occult\" \(arguments) > /dev/full")
    #expect(found.status == 1)
    #expect(
      found.error
        == "standard output: expected to write all of it, found 'No space left on device'; try another place\n")
    #expect(try shell("cd '\(CommandLineTests.root)' && \"$occult\" \(arguments) > /dev/null").status == 0)
  }

  /// A reader that has enough, by the signal or, where that is ignored, by the error.
  @Test func aClosedPipeEndsQuietly() throws {
    for ignored in ["", "trap '' PIPE; "] {
      let found = try shell(
        "\(ignored){ \"$occult\" inspect \"$tiny\" --tensors; echo status $? >&2; } | true")
      #expect(found.error == "status 141\n" || found.error == "status 0\n", "\(found.error)")
    }
    let closed = try shell("\"$occult\" inspect nowhere.h5 2>/dev/full; test $? = 1")
    #expect(closed.status == 0)
  }

  /// A limit on the size of files at every place, both layouts and a folder: an error and nothing there, or all of it.
  @Test(arguments: ["out.h5 --hdf5-layout mapped", "out.h5", "out"])
  func everyLimitOnSizeIsAnError(arguments: String) throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let command = "\"$occult\" convert \"$tiny\" '\(folder)/'\(arguments)"
    #expect(try shell(command).status == 0)
    #expect(try shell("rm -r '\(folder)'/out*").status == 0)
    // Units of 512 bytes; the model has 1.2 MB.
    for limit in stride(from: 0, through: 2200, by: 200) {
      let found = try shell("trap '' XFSZ; ulimit -f \(limit); \(command)")
      #expect(found.status == 1, "\(limit): \(found.error)")
      #expect(found.error.contains("File too large"), "\(found.error)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
    }
  }

  /// Errors of Foundation's never reach a person in Foundation's words.
  @Test(arguments: [
    "compare \"$tiny/config.json\" \"$tiny\" --output /proc/nowhere", "evaluate \"$tiny\" --text nowhere.txt",
    "recipes copy quickstart /proc/nowhere/x.yaml", "place nowhere.h5 --devices 2 --output /proc/x.json",
    "convert \"$tiny\" /proc/nowhere/out", "convert \"$tiny\" /proc/nowhere/out.h5", "data nowhere.yaml",
  ])
  func wordsAreOurs(arguments: String) throws {
    let found = try shell("cd '\(CommandLineTests.root)' && \"$occult\" \(arguments) > /dev/null")
    #expect(found.status != 0 && !found.error.contains("NSCocoa") && !found.error.contains("Error Domain"))
    #expect(found.error.contains("expected"), "\(found.error)")
  }

  /// `sha256sum` made the list; a byte of the model changes.
  @Test func listsOfChecksums() throws {
    let folder = NSTemporaryDirectory() + "/occult-tests-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(
      try shell(
        "mkdir '\(folder)' && cp \"$tiny\"/config.json \"$tiny\"/model.safetensors '\(folder)' && cd '\(folder)' && "
          + "sha256sum * > SUMS"
      ).status == 0)
    let good = try CommandLineTests.run(["inspect", folder, "--verify", "--checksums", folder + "/SUMS"])
    #expect(good.status == 0 && good.out.contains("2 files as \(folder)/SUMS lists them"), "\(good)")
    let plain = try CommandLineTests.run(["inspect", folder, "--verify"])
    #expect(plain.status == 0 && plain.out.contains("safetensors have no checksums"))
    let name = folder + "/model.safetensors"
    #expect(try shell("printf x | dd of='\(name)' bs=1 seek=99999 conv=notrunc 2>/dev/null").status == 0)
    let bad = try CommandLineTests.run(["inspect", folder, "--checksums", folder + "/SUMS"])
    #expect(bad.status != 0 && bad.error.contains("\(name): expected the SHA-256 sum"))
    #expect(try shell("cd '\(folder)' && sha256sum config.json > SUMS").status == 0)
    let short = try CommandLineTests.run(["inspect", folder, "--checksums", folder + "/SUMS"])
    #expect(short.status != 0 && short.error.contains("expected a sum of 'model.safetensors', found none"))
  }
}
