import Foundation
import Testing

@testable import Formats

@Suite struct InputFileTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "/occult-input-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func failure(_ path: String, most: Int = .max) -> String? {
    do throws(InputFileError) {
      _ = try InputFile.bytes(path, most: most)
      return nil
    } catch {
      #expect(throws: InputFileError.self) { if most == .max { _ = try InputFile.mapped(path) } else { throw error } }
      return error.description
    }
  }

  @Test func filesAreReadWhole() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for count in [0, 1, 4095, 4096, 4097, 100_000] {
      let path = folder + "/file"
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      #expect(try InputFile.bytes(path) == bytes)
      #expect(try InputFile.bytes(path, most: count) == bytes)
      #expect(try InputFile.mapped(path) == Data(bytes))
    }
    // Of these the system does not say how long they are.
    #expect(try InputFile.bytes("/proc/self/status").starts(with: Array("Name:".utf8)))
    #expect(
      failure("/proc/self/status", most: 10)?.hasPrefix("/proc/self/status: expected at most 10 bytes, found ") == true)
  }

  @Test func whatIsNoFileIsRefusedAtOnce() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let pipe = folder + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    let advice = "try the path of a file, to which what comes through a pipe was written"
    #expect(failure(pipe) == "\(pipe): expected a regular file, found a pipe (FIFO); \(advice)")
    #expect(failure(folder) == "\(folder): expected a regular file, found a folder; \(advice)")
    #expect(failure("/dev/zero") == "/dev/zero: expected a regular file, found a device; \(advice)")
    let link = folder + "/link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: pipe)
    #expect(failure(link) == "\(link): expected a regular file, found a pipe (FIFO); \(advice)")
    #expect(failure(folder + "/none") == "\(folder)/none: expected a readable file, found none; try a path that exists")

    let socket = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = NSTemporaryDirectory() + "/occult-\(getpid()).s"
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8.prefix(100))) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0)
    defer { unlink(path) }
    #expect(failure(path) == "\(path): expected a regular file, found a socket; \(advice)")
  }

  /// Foundation's own readers wait for pipes: files from outside are opened here.
  @Test func filesAreOpenedInOnePlace() throws {
    try? FileManager.default.removeItem(atPath: folder)
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources").path
    let files = FileManager.default.enumerator(atPath: sources)?.compactMap { $0 as? String } ?? []
    #expect(files.count > 300)
    for file in files where file.hasSuffix(".swift") {
      let lines = try String(contentsOfFile: sources + "/" + file, encoding: .utf8).split(separator: "\n")
      for line in lines {
        let reads = [
          "contentsOfFile:", "contentsOf: URL", "default.contents(atPath:", "forReadingAtPath", "InputStream(",
        ]
        .contains { line.contains($0) }
        // What the system says of itself, and what METIS has just written.
        let isOwn =
          line.contains("\"/proc/") || line.contains("\"/sys/") || file.hasSuffix("MetisPeer.swift")
          || file.hasSuffix("MemoryLimits.swift")
        #expect(!reads || isOwn, "\(file): \(line)")
      }
    }
  }
}
