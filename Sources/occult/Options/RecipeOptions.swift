import ArgumentParser
import Foundation
import Training

/// A recipe and changes to it.
struct RecipeOptions: ParsableArguments {
  @Argument(help: "The recipe, a YAML file.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String

  @Argument(help: "Changes, key=value with dotted keys, or ~key to remove one; values are YAML.")
  var changes: [String] = []

  func validate() throws { try Self.check(changes) }

  /// Whether arguments have the form of changes.
  static func check(_ changes: [String]) throws {
    for change in changes where !change.contains("=") && !change.hasPrefix("~") {
      throw ValidationError("expected key=value or ~key, found '\(change)'; try 'schedule.max_steps=20'")
    }
  }

  /// The recipe with all changes, everything in it checked.
  func load(_ purpose: Recipe.Purpose = .finetune, checksFiles: Bool = true) throws -> Recipe {
    try Recipe.load(recipe, overrides: changes, purpose: purpose, checksFiles: checksFiles)
  }

  /// The command line that runs this recipe, for a shell.
  ///
  /// - Parameters:
  ///   - name: Of the command.
  ///   - flags: What comes after recipe and changes.
  /// - Returns: Words that need it are quoted.
  func commandLine(_ name: String, _ flags: String...) -> String {
    (["occult", name, recipe] + changes + flags).map { word in
      let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_=./:,+~".contains($0) } && !word.hasPrefix("~")
      return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }

  /// Sets the number of threads that a recipe asks for; it is read when the team starts, at the first tensor operation.
  func useThreads(_ recipe: Recipe) {
    if let threads = recipe.run.threads { setenv("OCCULT_THREADS", "\(threads)", 1) }
  }
}
