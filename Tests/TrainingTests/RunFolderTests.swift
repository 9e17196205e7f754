import Files
import Checkpoint
import Foundation
import Tensors
import Testing

@testable import Training

/// A folder belongs to one run at a time, and a run goes on from nothing but its own.
struct RunFolderTests {
  private let tiny: TinyRun

  init() throws { tiny = try TinyRun() }

  /// A run that was stopped after two steps.
  private func stopped(_ output: String = "run") throws -> FineTuning {
    var asked = 0
    let tuning = try tiny.tuning(output)
    _ = try tuning.run(.new) {
      asked += 1
      return asked == 2
    }
    return tuning
  }

  private func names(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  @Test func outputsThatCannotBeUsedAreFoundBeforeAnyWork() throws {
    try tiny.folder.write("notes/checkpoints/thesis.tex", "mine")
    try tiny.folder.write("file", "text")
    let path = tiny.folder.path
    let run = { RunFolder(path + "/" + $0) }
    for mode in [RunFolder.Mode.new, .overwrite] {
      #expect(throws: FolderError.unmarked(path: path + "/notes", found: ["checkpoints"])) {
        try run("notes").claim(mode, program: "test")
      }
    }
    #expect(FileManager.default.fileExists(atPath: path + "/notes/checkpoints/thesis.tex"))
    #expect(throws: RunFolderError.nothingToResume(path: path + "/notes", found: "no checkpoint in it")) {
      try run("notes").check(.resume)
    }
    #expect(throws: RunFolderError.nothingToResume(path: path + "/none", found: "nothing there")) {
      try run("none").check(.resume)
    }
    #expect(throws: FolderError.system(path: path + "/file/run", action: "write here", code: ENOTDIR)) {
      try run("file/run").check(.new)
    }
  }

  /// What is there and cannot be read is not taken for missing.
  @Test func whatCannotBeReadIsNamed() throws {
    let folder = try stopped().folder
    try FileManager.default.removeItem(atPath: folder.recipe)
    #expect(throws: RunFolderError.nothingToResume(path: folder.path, found: "no recipe.yaml in it")) {
      try tiny.tuning().run(.resume)
    }
    try FileManager.default.createDirectory(atPath: folder.recipe, withIntermediateDirectories: false)
    #expect(throws: RunFolderError.unreadable(path: folder.recipe, found: "a folder")) {
      try tiny.tuning().run(.resume)
    }
    try FileManager.default.removeItem(atPath: folder.path + "/checkpoints")
    try "{".write(toFile: folder.path + "/occult.json", atomically: true, encoding: .utf8)
    #expect(throws: FileError.self) { try folder.check(.resume) }
  }

  @Test func everyFileRepeatsTheIdentityOfTheRun() throws {
    let tuning = try stopped()
    _ = try tiny.tuning().run(.resume)
    let identity = try #require(try RunSummary(path: tuning.folder.summary).run)
    let marker = try String(contentsOfFile: tuning.folder.path + "/occult.json", encoding: .utf8)
    #expect(marker.contains("\"kind\": \"run\"") && marker.contains(identity))
    #expect(try String(contentsOfFile: tuning.folder.recipe, encoding: .utf8).hasPrefix("# run \(identity)\n"))
    let records = try String(contentsOfFile: tuning.folder.metrics, encoding: .utf8).split(separator: "\n")
    #expect(records.count == 9 && records.allSatisfy { $0.contains("\"run\":\"\(identity)\"") })
    #expect(try TrainingState(readingFrom: tuning.folder.checkpoint(step: 6)).run == identity)
    // Everything in the folder is known as a run's, so that it can be removed.
    _ = try tuning.folder.claim(.overwrite, program: "test")
    #expect(try names(tuning.folder.path) == [".occult.lock", "checkpoints", "occult.json"])
  }

  @Test func aSecondWriterIsTurnedAway() throws {
    let tuning = try stopped()
    let holder = try tuning.folder.claim(.resume, program: "test")
    for mode in [RunFolder.Mode.resume, .overwrite] {
      let error = #expect(throws: FolderError.self) { try tiny.tuning().run(mode) }
      guard case .inUse = error else {
        Issue.record("\(error as Any)")
        continue
      }
    }
    #expect(try tuning.folder.savedSteps() == [2])
    withExtendedLifetime(holder) {}
  }

  /// Whatever is put in place of a file, a run never goes on from another one's.
  @Test func filesOfAnotherRunAreRefused() throws {
    // Of the same recipe, but for its identity.
    let (own, other) = (RunFolder(tiny.folder.path + "/own"), RunFolder(tiny.folder.path + "/other"))
    _ = try stopped("own")
    try FileManager.default.moveItem(atPath: own.path, toPath: other.path)
    _ = try stopped("own")
    let identity = try #require(try FolderMarkerText(own).identity)
    let stranger = try #require(try FolderMarkerText(other).identity)
    for file in ["/checkpoints/step-2.h5", "/recipe.yaml", "/metrics.jsonl"] {
      let kept = try Data(contentsOf: URL(fileURLWithPath: own.path + file))
      try Data(contentsOf: URL(fileURLWithPath: other.path + file)).write(to: URL(fileURLWithPath: own.path + file))
      let place = own.path + file + (file.hasSuffix("jsonl") ? ":1" : "")
      #expect(throws: RunFolderError.otherRun(path: place, expected: identity, found: stranger)) {
        try tiny.tuning("own").run(.resume)
      }
      try kept.write(to: URL(fileURLWithPath: own.path + file))
    }
    #expect(try tiny.tuning("own").run(.resume).ending == .finished)
  }

  @Test func theRecipeInTheCheckpointCounts() throws {
    let tuning = try stopped()
    let recipe = tuning.folder.recipe
    let text = try String(contentsOfFile: recipe, encoding: .utf8)
    try Data(text.replacing("learning_rate: 0.01", with: "learning_rate: 0.02").utf8)
      .write(to: URL(fileURLWithPath: recipe))
    tiny.recipe.optimizer.learningRate = 0.02
    #expect(
      throws: RunFolderError.changed(
        path: tuning.folder.checkpoint(step: 2), keys: ["optimizer.learning_rate: was 0.01, is 0.02"])
    ) { try tiny.tuning().run(.resume) }
  }

  /// A run that ended before its first checkpoint begins anew when it is to go on; a finished one without checkpoints
  /// stays.
  @Test func aRunWithoutACheckpointBeginsAnew() throws {
    let tuning = try stopped()
    try FileManager.default.removeItem(atPath: tuning.folder.checkpoint(step: 2))
    #expect(try tuning.folder.check(.resume) == .overwrite)
    #expect(throws: RunFolderError.exists(path: tuning.folder.path)) { try tuning.folder.check(.new) }
    let anew = try tiny.tuning().run(.overwrite)
    #expect(bits(anew.model) == bits(try tiny.tuning("other").run(.new).model))
    for step in [6, 8] { try FileManager.default.removeItem(atPath: tuning.folder.checkpoint(step: step)) }
    #expect(
      throws: RunFolderError.nothingToResume(
        path: tuning.folder.path, found: "a finished run without a checkpoint")
    ) { try tuning.folder.check(.resume) }
  }

  /// Runs of version 0.1 have no marker and no identities.
  @Test func aRunOfAnOlderVersionGoesOn() throws {
    let folder = try stopped().folder
    for name in ["occult.json", ".occult.lock"] { try FileManager.default.removeItem(atPath: folder.path + "/" + name) }
    for file in [folder.recipe, folder.metrics] {
      let text = try String(contentsOfFile: file, encoding: .utf8)
      try Data(text.replacing(/# run .*\n|"run":"[0-9a-f]*",/, with: "").utf8).write(to: URL(fileURLWithPath: file))
    }
    try rewrite(folder) { $0.run = nil }
    let resumed = try tiny.tuning().run(.resume)
    #expect(bits(resumed.model) == bits(try tiny.tuning("other").run(.new).model))
    #expect(try RunSummary(path: folder.summary).run != nil)
  }

  /// Writes the checkpoint of step 2 again, with another state.
  private func rewrite(_ folder: RunFolder, as step: Int = 2, _ change: (inout TrainingState) -> Void) throws {
    let path = folder.checkpoint(step: 2)
    let files = try ModelFiles(opening: path)
    var state = try TrainingState(readingFrom: path)
    change(&state)
    var extras = CheckpointExtras(files)
    (extras.training, extras.recipeYAML) = (state, try tiny.tuning().recipe.yaml())
    try CheckpointWriter.write(
      folder.checkpoint(step: step), weights: ModelBytes(try files.model()), extras: extras, program: "test")
  }

  private static let router = "model.layers.0.mlp.gate.weight"
  /// A state that no run comes to, and what is said of it.
  struct BrokenState: Sendable {
    let message: String
    let change: @Sendable (inout TrainingState) -> Void

    init(_ message: String, _ change: @escaping @Sendable (inout TrainingState) -> Void) {
      (self.message, self.change) = (message, change)
    }
  }

  static let brokenStates: [BrokenState] = [
    .init("step: expected 2, as the file's name says, found 3") { $0.step = 3 },
    .init("step: expected 2, as the file's name says, found -2") { $0.step = -2 },
    .init("tokens: expected") { $0.tokens += 1 },
    .init("tokens: expected") { $0.tokens = .max },
    .init("best_step: expected a step in 1...2, found 9") { $0.best = .init(step: 9, loss: 1, stale: 0) },
    .init("best_loss: expected a finite number, found nan") { $0.best = .init(step: 1, loss: .nan, stale: 0) },
    .init("best_stale: expected a count in 0...2, found -1") { $0.best = .init(step: 1, loss: 1, stale: -1) },
    .init("/training/first_moment/model/layers/0/mlp/gate/weight: expected shape [8, 32], found [8, 31]") {
      $0.moments[router] = (.zeros([8, 31]), .zeros([8, 32]))
    },
    .init("/training/second_moment/model/layers/0/mlp/gate/weight: expected numbers of at least 0, found others") {
      $0.moments[router]?.second = Tensor([Float](repeating: -1, count: 256), shape: [8, 32])
    },
    .init("/training/first_moment/model/layers/0/mlp/gate/weight: expected finite numbers, found") {
      $0.moments[router]?.first = Tensor([Float](repeating: .nan, count: 256), shape: [8, 32])
    },
    .init("/training/first_moment/model/norm/weight: expected moments of what trains, found a parameter that does not")
    {
      $0.moments["model.norm.weight"] = (.zeros([32]), .zeros([32]))
    },
  ]

  @Test(arguments: brokenStates) func aStateThatNoStepsLeadToIsRefused(broken: BrokenState) throws {
    let folder = try stopped().folder
    try rewrite(folder, broken.change)
    let error = #expect(throws: (any Error).self) { try tiny.tuning().run(.resume) }
    #expect("\(error as Any)".contains(broken.message), "\(error as Any)")
  }

  @Test func aStepBehindTheLastIsRefused() throws {
    let folder = try stopped().folder
    try rewrite(folder, as: 900) { $0.step = 900 }
    let error = #expect(throws: RunFolderError.self) { try tiny.tuning().run(.resume) }
    #expect(error?.description.contains("step: expected a step in 1...8, found 900") == true, "\(error as Any)")
  }
}

/// The identity in a folder's marker.
private struct FolderMarkerText {
  let identity: String?

  init(_ folder: RunFolder) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/occult.json"))
    identity = (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["identity"] as? String
  }
}
