import Files
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// Exported folders appear as a whole, say what belongs to them, and replace nothing but their own kind.
@Suite struct ExportedFolderTests {
  private static let first = oracleFolder("olmoe-odd")
  private static let second = oracleFolder("olmoe-tiny")

  private func export(_ source: String, _ folder: String, overwrites: Bool = true) throws {
    _ = try Conversion(source: source, destination: folder, maximumShardBytes: 300_000, overwrites: overwrites)
      .run(program: "test")
  }

  private func all(_ folder: String) throws -> [String: [UInt8]] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try contents(folder + "/" + $0)) })
  }

  @Test func theManifestNamesEveryFile() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("out")
    try export(Self.first, folder)
    let manifest = try #require(try FolderManifest(in: folder))
    let files = try all(folder)
    #expect(Set(manifest.files.map(\.name) + ["occult.json"]) == Set(files.keys) && files.count > 4)
    for file in manifest.files {
      #expect(files[file.name]?.count == file.byteCount && CRC32C.checksum(files[file.name] ?? []) == file.checksum)
    }
    #expect(try ModelFiles(opening: folder).verify().others == manifest.files.count)
    #expect(try ModelFiles(opening: Self.first).verify().unchecked?.contains("no checksums") == true)
    // The same again: the same bytes, and nothing beside it.
    try export(Self.first, folder)
    #expect(try all(folder) == files)
    #expect(try scratch.files == ["out"])
  }

  /// Every file that is missing, longer, or there besides is named on opening; other bytes of the same length on
  /// verifying.
  @Test func changedFoldersAreNamed() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("out")
    try export(Self.first, folder)
    let files = try all(folder)
    let advice =
      "; try exporting or copying the folder again, or, if it was changed on purpose, removing occult.json"
    for (name, bytes) in files where name != "occult.json" {
      unlink(folder + "/" + name)
      #expect(
        failure { _ = try ModelFiles(opening: folder) }?.description
          == "\(folder): expected '\(name)' as occult.json says, found no such file\(advice)")
      _ = try scratch.write("out/" + name, bytes + [10])
      #expect(
        failure { _ = try ModelFiles(opening: folder) }?.description
          == "\(folder): expected \(bytes.count) bytes in '\(name)' as occult.json says, found \(bytes.count + 1)\(advice)"
      )
      _ = try scratch.write("out/" + name, bytes)
    }
    _ = try scratch.write("out/model-9.safetensors", [1])
    #expect(
      failure { _ = try ModelFiles(opening: folder) }?.description
        == "\(folder): expected no weights but its own as occult.json says, found 'model-9.safetensors' besides\(advice)"
    )
    unlink(folder + "/model-9.safetensors")
    _ = try scratch.write("out/README.md", [1])
    try ModelFiles(opening: folder).verify()
  }

  /// One bit of any byte of an exported folder, its manifest included.
  @Test func everyFlippedBitIsNoticed() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("out")
    try export(Self.second, folder)
    var flips = 0
    for (name, bytes) in try all(folder) {
      let step = max(1, bytes.count / 200)
      for place in stride(from: 0, to: bytes.count, by: step) {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(place / step % 8)
        _ = try scratch.write("out/" + name, damaged)
        #expect(throws: (any Error).self, "\(name), byte \(place)") { try ModelFiles(opening: folder).verify() }
        flips += 1
      }
      _ = try scratch.write("out/" + name, bytes)
    }
    try ModelFiles(opening: folder).verify()
    #expect(flips > 500)
  }

  /// What a kill leaves at any moment, by both ways of changing places: the same command succeeds with the same bytes,
  /// and the destination is all of the old or all of the new.
  @Test(arguments: [true, false]) func killsLeaveOldOrNew(exchanges: Bool) throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("out")
    try export(Self.first, folder)
    let old = try all(folder)
    try export(Self.second, scratch.path("new"))
    let new = try all(scratch.path("new"))
    func put(_ files: [String: [UInt8]], _ name: String) throws {
      try FileManager.default.createDirectory(atPath: scratch.path(name), withIntermediateDirectories: true)
      for (file, bytes) in files { _ = try scratch.write(name + "/" + file, bytes) }
    }
    func again(_ message: Comment) throws {
      if !exchanges {
        let pending = try PendingFolder(folder, overwrites: true, exchanges: false)
        for (name, bytes) in new where name != "occult.json" {
          try Data(bytes).write(to: URL(fileURLWithPath: pending.path + "/" + name))
        }
        let manifest = try #require(try FolderManifest(in: scratch.path("new")))
        try pending.commit(manifest.files, program: "test")
      } else {
        try export(Self.second, folder)
      }
      #expect(try all(folder) == new, message)
      #expect(try scratch.files == ["new", "out"], message)
      try export(Self.first, folder)
      #expect(try all(folder) == old, message)
    }
    // While the new folder is written, its manifest still missing or just there.
    try put(["model-00001-of-00003.safetensors.tmp": [1, 2]], ".out.partial")
    try again("begun")
    try put(new, ".out.partial")
    #expect(try all(folder) == old)
    try again("complete, not yet in place")
    // Exchanged; the old one partly removed.
    try put(old.filter { $0.key != "config.json" }, ".out.partial")
    try again("partly removed")
    try put([:], ".out.partial")
    try again("empty")
    // Between the two renames of a file system that cannot exchange.
    try FileManager.default.moveItem(atPath: folder, toPath: scratch.path(".out.old"))
    try put(new, ".out.partial")
    #expect(
      failure { _ = try ModelFiles(opening: folder) }?.description
        == "\(folder): expected a folder, found none, for a conversion to it was interrupted; try the same conversion "
        + "again, or giving \(scratch.path(".out.old")), the folder as it was before, its name back")
    try again("between renames")
    try put(old, ".out.old")
    try again("the old one left aside")
  }

  /// A conversion that fails leaves the old folder and nothing beside it.
  @Test func failuresLeaveTheOldFolder() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("out")
    try export(Self.first, folder)
    let old = try all(folder)
    var tensors = try HubTensor.all(in: Self.first)
    let place = try #require(tensors.firstIndex { $0.name == "model.norm.weight" })
    tensors[place].bytes.replaceSubrange(20..<24, with: bytes([Float.nan]))
    try HubTensor.write(tensors, to: scratch.path("nan"), config: try TextFile.read(Self.first + "/config.json"))
    #expect(failure { try export(scratch.path("nan"), folder) }?.description.contains("finite numbers") == true)
    #expect(try all(folder) == old)
    #expect(try scratch.files == ["nan", "out"])
  }

  @Test func onlyItsOwnKindIsReplaced() throws {
    let scratch = try TemporaryFolder()
    let folder = scratch.path("out")
    func refusal(overwrites: Bool = true, _ destination: String? = nil) -> String? {
      do {
        try export(Self.second, destination ?? folder, overwrites: overwrites)
        return nil
      } catch {
        return "\(error)"
      }
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let thesis = try scratch.write("out/thesis.tex", [1])
    #expect(refusal(overwrites: false)?.contains("found something there") == true)
    #expect(
      refusal()
        == "\(folder): expected a new folder or one that this program wrote, found no occult.json in it but 'thesis.tex'; "
        + "nothing was touched; try another folder, or remove these yourself")
    unlink(thesis)
    try export(Self.first, folder, overwrites: false)
    _ = try scratch.write("out/notes.txt", [1])
    #expect(refusal()?.contains("expected nothing but the files of an exported model, found 'notes.txt'") == true)
    unlink(folder + "/notes.txt")
    try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: "out")
    #expect(refusal(scratch.path("link"))?.contains("found a link; nothing was touched") == true)
    #expect(refusal(".")?.contains("the working folder") == true)
    let run = OutputFolder(scratch.path("run"), kind: .run, layout: FolderLayout(["recipe.yaml"]))
    _ = try run.claim(.new, purpose: "test", program: "test")
    #expect(refusal(run.path)?.contains("expected an exported model, found a fine-tuning run") == true)
    let pending = try PendingFolder(folder, overwrites: true)
    #expect(refusal()?.contains("expected a folder that nobody else writes, found one in use") == true)
    withExtendedLifetime(pending) {}
  }
}
