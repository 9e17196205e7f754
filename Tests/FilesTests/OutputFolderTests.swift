import Foundation
import TestSupport
import Testing

@testable import Files

/// A folder of ours is marked, locked and emptied file by file; a folder of others is never touched.
struct OutputFolderTests {
  private let scratch: TemporaryFolder
  private let layout = FolderLayout(["recipe.yaml", "checkpoints/step-*.h5", "tasks/**/results_*.json"])

  init() throws { scratch = try TemporaryFolder() }

  private func folder(_ name: String = "out", kind: OutputFolder.Kind = .run) -> OutputFolder {
    OutputFolder(scratch.path(name), kind: kind, layout: layout)
  }

  private func write(_ name: String, _ text: String = "x") throws {
    let path = scratch.path(name)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  private func claim(_ mode: OutputFolder.Mode, _ name: String = "out") throws -> OutputFolder.Claim {
    try folder(name).claim(mode, purpose: "test", program: "test 1")
  }

  @Test func aNewFolderIsMarkedAndLocked() throws {
    let first = try claim(.new, "a/b/out")
    #expect(try FolderMarker(in: scratch.path("a/b/out")) == first.marker)
    #expect(first.lock.isHeld)
    let holder = "test, process \(getpid()) on \(ProcessInfo.processInfo.hostName)"
    #expect(throws: FolderError.inUse(path: scratch.path("a/b/out"), holder: holder)) {
      try claim(.resume, "a/b/out")
    }
    // What a kill right behind the claim leaves is taken again, under another identity.
    _ = consume first
    #expect(try folder("a/b/out").isFresh)
    #expect(try claim(.new, "a/b/out").marker.identity.count == 16)
  }

  /// Who joins after a kill, or after all files were removed, marks the folder anew; what others hold is never marked.
  @Test func joiningMarksWhatHoldsNoFile() throws {
    let path = scratch.path("out")
    func join() throws { _ = try folder().join(purpose: "test", program: "test") }
    try FileManager.default.createDirectory(atPath: path + "/tasks/m", withIntermediateDirectories: true)
    try join()
    #expect(try folder().isMarked)
    try FileManager.default.removeItem(atPath: path + "/" + OutputFolder.markerName)
    try write("out/tasks/m/results_1.json")
    try join()
    #expect(try !folder().isMarked)
  }

  @Test func overwritingRemovesWhatIsOursAndNothingElse() throws {
    let identity = try claim(.new).marker.identity
    for name in ["recipe.yaml", "checkpoints/step-3.h5", "checkpoints/step-4.h5.tmp", "tasks/m/results_1.json"] {
      try write("out/" + name)
    }
    #expect(throws: FolderError.unmarked(path: scratch.path("out"), found: ["checkpoints", "recipe.yaml", "tasks"])) {
      try claim(.new)
    }
    #expect(try claim(.resume).marker.identity == identity)
    try write("out/checkpoints/notes.txt")
    try write("out/mine/step-3.h5")
    #expect(
      throws: FolderError.strangers(
        path: scratch.path("out"), kind: .run, found: ["checkpoints/notes.txt", "mine/step-3.h5"])
    ) { try claim(.overwrite) }
    #expect(FileManager.default.fileExists(atPath: scratch.path("out/recipe.yaml")))
    try FileManager.default.removeItem(atPath: scratch.path("out/checkpoints/notes.txt"))
    try FileManager.default.removeItem(atPath: scratch.path("out/mine"))
    #expect(try claim(.overwrite).marker.identity != identity)
    #expect(
      try Set(FileManager.default.contentsOfDirectory(atPath: scratch.path("out"))) == ["occult.json", ".occult.lock"])
  }

  @Test func aFolderOfOthersIsNeverEmptied() throws {
    try write("out/checkpoints/step-1.h5")
    try write("out/.git/config")
    let found = [".git", "checkpoints"]
    #expect(throws: FolderError.unmarked(path: scratch.path("out"), found: found)) { try claim(.overwrite) }
    #expect(throws: FolderError.unmarked(path: scratch.path("out"), found: found)) { try folder().remove() }
    // Not even with a marker that somebody put there.
    try FolderMarker(kind: .run, program: "test").write(in: scratch.path("out"))
    #expect(throws: FolderError.protected(path: scratch.path("out"), what: "a repository (.git)")) {
      try claim(.overwrite)
    }
    #expect(FileManager.default.fileExists(atPath: scratch.path("out/checkpoints/step-1.h5")))
  }

  @Test func linksAreNeitherFollowedNorReplaced() throws {
    _ = try claim(.new)
    try write("elsewhere/step-1.h5")
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path("out/checkpoints"), withDestinationPath: scratch.path("elsewhere"))
    #expect(throws: FolderError.strangers(path: scratch.path("out"), kind: .run, found: ["checkpoints"])) {
      try claim(.overwrite)
    }
    try FileManager.default.removeItem(atPath: scratch.path("out/checkpoints"))
    try write("out/recipe.yaml")
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path("link"), withDestinationPath: scratch.path("out"))
    #expect(throws: FolderError.protected(path: scratch.path("link"), what: "a link")) { try claim(.overwrite, "link") }
    #expect(FileManager.default.fileExists(atPath: scratch.path("elsewhere/step-1.h5")))
  }

  @Test(arguments: ["/", ".", "..", NSHomeDirectory()])
  func placesThatAreNeverEmptied(path: String) { #expect(OutputFolder.protection(of: path) != nil) }

  @Test func anotherKindIsAnError() throws {
    _ = try claim(.new)
    #expect(throws: FolderError.otherKind(path: scratch.path("out"), expected: .study, found: .run)) {
      try folder(kind: .study).claim(.resume, purpose: "test", program: "test")
    }
  }

  @Test func removingGoesFromTheLeavesAndTheMarkerLast() throws {
    _ = try claim(.new)
    try write("out/checkpoints/step-1.h5")
    try folder().remove()
    #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
    try folder().remove()
  }

  @Test func aFolderOfAnOlderVersionIsAdoptedWhenItGoesOn() throws {
    try write("out/recipe.yaml")
    let claim = try claim(.resume)
    #expect(claim.marker.isAdopted)
    #expect(try FolderMarker(in: scratch.path("out")) == claim.marker)
  }

  @Test(arguments: [
    ("", "byte 0"), ("{}", "format"), (#"{"format": "occult-folder", "version": 2}"#, "version"),
    (#"{"format": "occult-folder", "version": 1, "kind": "x"}"#, "kind"),
    (#"{"format": "occult-folder", "version": 1, "kind": "run", "identity": "g"}"#, "identity"),
  ])
  func aDamagedMarkerIsNamed(text: String, item: String) throws {
    try write("out/occult.json", text)
    #expect {
      try FolderMarker(in: scratch.path("out"))
    } throws: { error in
      guard case .invalid(_, let found?, _, _)? = error as? FileError else { return false }
      return found == item
    }
  }

  @Test func layouts() {
    for name in [
      "recipe.yaml", "recipe.yaml.tmp", "checkpoints/step-12.h5", "tasks/results_a.json", "tasks/a/b/results_1.json",
    ] { #expect(layout.hasFile(name), "\(name)") }
    for name in [
      "recipe.yml", "x/recipe.yaml", "checkpoints", "checkpoints/step-1", "checkpoints/x/step-1.h5", "tmp", ".tmp",
    ] { #expect(!layout.hasFile(name), "\(name)") }
    #expect(layout.hasFolder("checkpoints") && layout.hasFolder("tasks/a/b"))
    #expect(!layout.hasFolder("recipe.yaml") && !layout.hasFolder("checkpoints/x") && !layout.hasFolder("mine"))
    let study = FolderLayout(["study.json"]).adding(layout, under: "arms/**")
    for name in ["study.json", "arms/L1/recipe.yaml", "arms/L1/seed-1/occult.json", "arms/a/.occult.lock"] {
      #expect(study.hasFile(name), "\(name)")
    }
    #expect(study.hasFolder("arms") && study.hasFolder("arms/L1/checkpoints") && !study.hasFile("occult.json"))
  }
}
