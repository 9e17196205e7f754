import Extremes
import Foundation
import Testing

@testable import Fuzz

/// Every number of every sound file that the readers are tried with, made extreme: an error or a result, never a trap,
/// a hang or an absurd allocation. A key that a file gets later is covered as soon as a sound file has it.
@Suite struct NumberTests {
  @Test func everyNumberOfEveryFileMayBeExtreme() throws {
    let folder = NSTemporaryDirectory() + "/occult-extremes-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer {
      try? FileManager.default.removeItem(atPath: folder)
      try? FileManager.default.removeItem(atPath: Samples.folder(of: getpid()))
    }
    for reader in try Worker.allReaders() {
      let path = folder + "/" + reader.fileName
      // Sound inputs are read without an error, or the readers are not looked at at all.
      for input in reader.corpus where !reader.isPartOfAnother(input) {
        try Data(input).write(to: URL(fileURLWithPath: path))
        do { try reader.read(path) } catch { Issue.record("\(reader.fileName): \(error)") }
      }
      var count = 0
      for input in reader.corpus.prefix(2) {
        try reader.variants(of: input) { variant, what in
          try Data(variant).write(to: URL(fileURLWithPath: path))
          let before = Worker.usage
          try? reader.read(path)
          let after = Worker.usage
          count += 1
          #expect(
            after.seconds - before.seconds < 20, "\(reader.fileName): \(what): \(after.seconds - before.seconds) s")
          #expect(after.peak - before.peak < 1 << 30, "\(reader.fileName): \(what): \(after.peak - before.peak) bytes")
        }
      }
      #expect(count > 0 || reader.isWithoutNumbers, "\(reader.fileName): no number in its sound inputs")
    }
  }
}
