import ArgumentParser
import Evaluation
import Training

/// `occult recipes`.
struct Recipes: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List, show, copy and validate recipes.",
    discussion: """
      Names are those of files below the folder 'recipes' of the working folder, without their ending.

      Examples:
        occult recipes list
        occult recipes copy instructions my-recipe.yaml
        occult recipes validate my-recipe.yaml optimizer.learning_rate=1e-5
      """,
    subcommands: [List.self, Show.self, Copy.self, Validate.self])
}

/// Where recipes are looked for.
struct RecipeFolder: ParsableArguments {
  @Option(help: "Folder of recipes.", completion: .directory)
  var folder = "recipes"
}

extension Recipes {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the recipes of the folder with what they do.")
    @OptionGroup var place: RecipeFolder
    @OptionGroup var output: OutputOptions

    func run() throws {
      let entries = try RecipeLibrary.entries(in: place.folder)
      if output.json { return try OutputOptions.print(entries) }
      print(TextTable(heads: ["recipe", "what it does"], rows: entries.map { [$0.name, $0.purpose] }).text)
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print a recipe with its comments.")
    @Argument(help: "Name of a recipe, or a file.", completion: .file()) var recipe: String
    @OptionGroup var place: RecipeFolder

    func run() throws {
      var output = Verbatim()
      let text = try RecipeLibrary.text(of: try RecipeLibrary.path(of: recipe, in: place.folder))
      write(output.add(Array(text.utf8)) + output.finish())
    }
  }

  struct Copy: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy a recipe with its comments, to change it.",
      discussion: """
        Paths under 'data' count from the recipe's own folder: those of files that are there are written anew, so that \
        the copy finds them; what it does not find is reported.

        Example:
          occult recipes copy instructions mine.yaml
        """)
    @Argument(help: "Name of a recipe, or a file.", completion: .file()) var recipe: String
    @Argument(help: "A new file, or a folder.", completion: .file()) var destination: String
    @OptionGroup var place: RecipeFolder

    func run() throws {
      let copy = try RecipeLibrary.copy(try RecipeLibrary.path(of: recipe, in: place.folder), to: destination)
      print(copy)
      do {
        _ = try Recipe.load(copy)
      } catch {
        logger.warning("to be changed before it runs:\n\(error)")
      }
    }
  }

  struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Check everything in a recipe that can be checked without opening the model.")
    @OptionGroup var options: RecipeOptions
    @Flag(help: "Leave out whether the model and the data exist.") var noFiles = false

    func run() throws {
      let recipe = try options.load(checksFiles: !noFiles)
      if !recipe.study.arms.isEmpty { _ = try options.load(.study, checksFiles: !noFiles) }
      print("\(options.recipe): valid")
    }
  }
}
