import Foundation
import Testing

@testable import Training

/// A folder that is removed with the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("training-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String = "") throws {
    let url = URL(fileURLWithPath: path + "/" + name)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
}

@Suite struct RecipeFileTests {
  private func errors(_ text: String, _ overrides: [String] = [], in folder: TemporaryFolder) throws -> String {
    try folder.write("recipes/r.yaml", text)
    do {
      _ = try Recipe.load("recipes/r.yaml", overrides: overrides, workingFolder: folder.path)
      return "fine"
    } catch {
      return error.description.replacingOccurrences(of: folder.path, with: "FOLDER")
    }
  }

  @Test func missingFilesAreFoundAtOnce() throws {
    let folder = try TemporaryFolder()
    try folder.write("recipes/data/train.jsonl")
    try folder.write("recipes/data/part-1.txt")
    let text = """
      version: 1
      model: bsae.h5
      data:
        train: {path: data/tarin.jsonl, format: alpaca}
        test: data/*.text
        retention: {path: data, format: text}
      routing: {placement: p.json}
      output: runs/x
      """
    try folder.write("base.h5")
    #expect(
      try errors(text, ["data.profile=data/part-1.txt"], in: folder) == """
        recipes/r.yaml:2:8: model: expected a checkpoint or a Hugging Face folder, found no 'bsae.h5' in the working folder \
        FOLDER; did you mean 'base.h5'?
        recipes/r.yaml:4:17: data.train.path: expected a file, found no 'tarin.jsonl' in FOLDER/recipes/data; \
        did you mean 'train.jsonl'?
        recipes/r.yaml:5:9: data.test.format: expected the format of 'data/*.text', one of alpaca, sharegpt, chat, \
        prompt_completion, text, found no such key
        recipes/r.yaml:5:9: data.test.path: expected files, found none that match 'FOLDER/recipes/data/*.text'
        recipes/r.yaml:6:21: data.retention.path: expected a file, found the folder 'data'; try 'data/*'
        recipes/r.yaml:7:22: routing.placement: expected a file, found no 'p.json' in FOLDER/recipes
        argument 2: data.profile=data/part-1.txt: data.profile.path: expected a file, found no 'part-1.txt' in FOLDER/data
        """)
    // The same path counts from the working folder when it is an argument.
    #expect(try errors(minimal, ["data.train.path=recipes/data/train.jsonl"], in: folder) == "fine")
  }

  @Test func heldOutFilesMustBeHeldOut() throws {
    let folder = try TemporaryFolder()
    try folder.write("base.h5")
    for name in ["a.txt", "b.txt"] { try folder.write("recipes/" + name) }
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/recipes/link.txt", withDestinationPath: folder.path + "/recipes/b.txt")
    let text = """
      version: 1
      model: base.h5
      data:
        train: "*.txt"
        test: a.txt
        profile: link.txt
        retention: b.txt
      output: runs/x
      """
    #expect(
      try errors(text.replacingOccurrences(of: "\"*.txt\"", with: "a.txt"), in: folder) == """
        recipes/r.yaml:5:9: data.test: expected held-out data, found 'a.txt', which data.train has too
        recipes/r.yaml:7:14: data.retention: expected held-out data, found 'b.txt', which data.profile has too
        """)
    #expect(
      try errors(text, in: folder) == """
        recipes/r.yaml:5:9: data.test: expected held-out data, found 'a.txt', which data.train has too
        recipes/r.yaml:7:14: data.retention: expected held-out data, found 'b.txt', which data.train has too
        recipes/r.yaml:7:14: data.retention: expected held-out data, found 'b.txt', which data.profile has too
        """)
  }

  @Test func globsAreSortedByBytes() throws {
    let folder = try TemporaryFolder()
    for name in ["b.txt", "B.txt", "a10.txt", "a2.txt", "sub.txt/inner", "odd[1].txt"] { try folder.write(name) }
    let names = { (pattern: String) in
      Recipe.Source(path: folder.path + "/" + pattern, format: .text).files().map {
        $0.dropFirst(folder.path.count + 1)
      }
    }
    #expect(names("*.txt") == ["B.txt", "a10.txt", "a2.txt", "b.txt", "odd[1].txt"])
    #expect(names("odd[1].txt") == ["odd[1].txt"])
    #expect(names("a?.txt") == ["a2.txt"])
    #expect(names("z*") == [])
  }

  @Test func aRecipeThatIsNotThere() throws {
    let folder = try TemporaryFolder()
    try folder.write("quickstart.yaml")
    let error = #expect(throws: RecipeError.self) {
      try Recipe.load("quickstrat.yaml", workingFolder: folder.path)
    }
    #expect(
      error?.description == "quickstrat.yaml: expected a recipe, found no such file; did you mean 'quickstart.yaml'?; "
        + "try 'occult recipes list'")
  }

  /// Every recipe of the repository decodes, at any depth, and opens with what it does, its data, the command and the
  /// time.
  @Test func recipesOfTheRepository() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    let names = FileManager.default.enumerator(atPath: root + "/recipes")?.compactMap { $0 as? String } ?? []
    let recipes = names.filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("topologies/") && !$0.hasPrefix("tasks/") }
      .sorted()
    #expect(recipes.contains("quickstart.yaml") && recipes.contains("olmoe/finetune.yaml"))
    for name in recipes {
      let path = root + "/recipes/" + name
      let recipe = try Recipe.load(path, checksFiles: false, workingFolder: root)
      let text = try String(contentsOfFile: path, encoding: .utf8)
      for heading in ["# What:", "# Model:", "# Data:", "# Command:", "# Time:"] {
        #expect(text.contains(heading), "\(name): no line '\(heading)'")
      }
      #expect(text.hasPrefix("# What:"), "\(name)")
      for arm in recipe.study.arms { _ = try recipe.arm(arm.name) }
    }
    let study = try Recipe.load(
      root + "/recipes/quickstart.yaml", purpose: .study, checksFiles: false, workingFolder: root)
    #expect(study.study.arms.map(\.name) == ["standard", "L2", "L1"])
  }
}
