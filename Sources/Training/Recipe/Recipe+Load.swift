internal import Foundation

extension Recipe {
  /// What a recipe is read for, which decides what it must hold beyond `model`, `data.train` and `output`.
  public enum Purpose: Sendable {
    /// One run.
    case finetune
    /// A comparison, which needs arms and test data as well.
    case study
  }

  /// Reads a recipe file with overrides and checks all of it.
  ///
  /// - Parameters:
  ///   - path: The file, absolute or relative to `workingFolder`.
  ///   - overrides: Arguments `key=value` (the value is YAML, lists and maps in flow style) and `~key`, applied in order.
  ///   - firstArgument: The number of the first override on the command line; the recipe itself is argument 1.
  ///   - purpose: What the recipe must hold.
  ///   - checksFiles: Whether the model and the data must exist.
  ///   - workingFolder: Where `model`, `output` and paths in arguments start; `nil` for the process's own.
  /// - Returns: A recipe in which nothing is wrong.
  /// - Throws: `RecipeError` with everything that is wrong.
  public static func load(
    _ path: String, overrides: [String] = [], firstArgument: Int = 2, purpose: Purpose = .finetune,
    checksFiles: Bool = true, workingFolder: String? = nil
  ) throws(RecipeError) -> Recipe {
    let workingFolder = workingFolder ?? RecipeFiles.workingFolder
    let absolute = RecipeFiles.absolute(path, from: workingFolder)
    guard FileManager.default.fileExists(atPath: absolute) else {
      let nearest = RecipeFiles.nearest(to: absolute).map { "; did you mean '\($0)'?" } ?? ""
      let message = "expected a recipe, found no such file\(nearest); try 'occult recipes list'"
      throw RecipeError([.init(position: .whole(file: path), key: "", message: message)])
    }
    let text: String
    do {
      text = try YAMLFile.text(absolute)
    } catch {
      let message = "expected a recipe in UTF-8\(error.limit), found \(error.found)"
      throw RecipeError([.init(position: .whole(file: path), key: "", message: message)])
    }
    return try parse(
      text, file: path, overrides: overrides, firstArgument: firstArgument, purpose: purpose,
      checksFiles: checksFiles, workingFolder: workingFolder)
  }

  /// Reads a recipe from text, such as the resolved recipe stored in a checkpoint, as `load` does.
  ///
  /// `file` is the name in messages; relative data paths start from its folder.
  ///
  /// - Throws: `RecipeError` with everything that is wrong.
  public static func parse(
    _ text: String, file: String, overrides: [String] = [], firstArgument: Int = 2, purpose: Purpose = .finetune,
    checksFiles: Bool = true, workingFolder: String? = nil
  ) throws(RecipeError) -> Recipe {
    let workingFolder = workingFolder ?? RecipeFiles.workingFolder
    let absolute = RecipeFiles.absolute(file, from: workingFolder)
    let folders = RecipeReader.Folders(recipe: RecipeFiles.folder(of: absolute), working: workingFolder)
    let reader = RecipeReader(folders: folders, checksFiles: checksFiles)
    let place = { RecipePosition.file(file, line: $0, column: $1) }
    let parsed = RecipeNode.parse(text, issues: &reader.issues, at: place)
    guard var root = parsed else {
      if reader.issues.isEmpty {
        reader.report("", place(1, 1), "expected a map of keys, found nothing; try 'occult recipes show quickstart'")
      }
      throw RecipeError(reader.issues)
    }
    for (index, argument) in overrides.enumerated() {
      let number = firstArgument + index
      guard let change = RecipeOverride.parse(argument, number: number, issues: &reader.issues) else { continue }
      root.apply(change, sections: sections, issues: &reader.issues)
    }
    let recipe = decode(root, reader: reader, purpose: purpose)
    for arm in recipe.study.arms { checkArm(arm, sections: armSections, of: root, reader: reader) }
    for rule in recipe.study.rules { checkArm(rule, sections: ruleSections, of: root, reader: reader) }
    guard reader.issues.isEmpty else { throw RecipeError(reader.issues) }
    return recipe
  }

  /// Adds what is wrong with one arm or rule, leaving out what was wrong before.
  private static func checkArm(_ arm: Arm, sections: [String], of root: RecipeNode, reader: RecipeReader) {
    let own = RecipeReader(folders: reader.folders, checksFiles: reader.checksFiles)
    let tree = tree(root, with: arm, sections: sections, reader: own)
    _ = decode(tree, reader: own, purpose: .finetune)
    let before = Set(reader.issues)
    reader.issues += own.issues.filter { !before.contains($0) }
  }
}
