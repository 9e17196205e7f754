import Host
import Checkpoint
import Extremes
import Foundation
import Tensors
import Testing

@testable import Training

/// Every number that a recipe holds, made extreme: an error that names the key, or a run that is estimated, and ends or
/// fails in words. Keys are found by walking a recipe that has them all, so that a later one is covered.
@Suite struct RecipeNumberTests {
  /// Dotted keys with a number in their value, and that value.
  private static func numbers(_ recipe: Recipe) -> [(key: String, text: String)] {
    recipe.leaves.filter { !Extremes.places(in: Array($0.1.utf8)).isEmpty }.map { ($0.0, $0.1) }
  }

  @Test func everyNumberOfARecipeMayBeExtreme() throws {
    let full = try Recipe.parse(
      RecipeTests.full, file: "/home/me/r.yaml", checksFiles: false, workingFolder: "/home/me")
    var refused: Set<String> = []
    var count = 0
    for (key, text) in Self.numbers(full) {
      Extremes.texts(of: text) { value, _ in
        count += 1
        do {
          let recipe = try Recipe.parse(
            RecipeTests.full, file: "/home/me/r.yaml", overrides: ["\(key)=\(value)"], checksFiles: false,
            workingFolder: "/home/me")
          // What is accepted is written and read back.
          #expect(try Recipe.parse(recipe.yaml(), file: "/r.yaml", checksFiles: false).yaml() == recipe.yaml())
          _ = recipe.routing.limitStages
        } catch {
          refused.insert(key)
          #expect("\(error)".contains("expected"), "\(key)=\(value): \(error)")
        }
      }
    }
    #expect(count > 500)
    // Of every key some values are refused, but of a seed none beyond the range.
    let lenient = Set(Self.numbers(full).map(\.key)).subtracting(refused)
    #expect(lenient == [], "\(lenient)")
  }

  /// What the recipe lets pass the estimate and the run take as well.
  @Test func acceptedNumbersAreRunOrRefused() throws {
    let run = try TinyRun()
    (run.recipe.schedule.maxSteps, run.recipe.schedule.warmupSteps) = (1, 1)
    run.recipe.save.every = 1
    let data = TrainingData(train: TinyRun.documents(6), validation: TinyRun.documents(2, seed: 4))
    var tried = 0
    for (key, text) in Self.numbers(run.recipe) where !key.hasPrefix("data.train") {
      Extremes.texts(of: text) { value, _ in
        guard
          let recipe = try? Recipe.parse(
            run.recipe.yaml(), file: "/r.yaml", overrides: ["\(key)=\(value)"], checksFiles: false)
        else { return }
        tried += 1
        do {
          let preparation = try RunPreparation(recipe, base: run.base, data: data)
          _ = try preparation.estimate()
          try preparation.checkMemory(MemoryLimits(host: MemoryLimit(bytes: 1 << 30, source: .machine)))
          let before = run.recipe
          defer { run.recipe = before }
          run.recipe = recipe
          // A run without a last step ends after one.
          var steps = 0
          _ = try run.tuning("run-\(tried)", data: data).run(.new) {
            steps += 1
            return steps >= 1
          }
        } catch {
          #expect("\(error)".contains("expected"), "\(key)=\(value): \(error)")
        }
      }
    }
    #expect(tried > 100)
  }

  /// Weights of sources, which are no key of their own in a resolved recipe.
  @Test func weightsOfSourcesAreBounded() throws {
    for value in Extremes.numbers where Double(value) != 1 {
      let text = minimal.replacing("format: alpaca", with: "format: alpaca, weight: \(value)")
      #expect(throws: RecipeError.self) { try Recipe.parse(text, file: "/home/me/r.yaml", checksFiles: false) }
    }
  }

  @Test func yamlHasALengthThatIsNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/long.yaml"
    // Parsed, these fifty megabytes would take the better part of a minute.
    try Data(repeating: UInt8(ascii: "x"), count: 50 << 20).write(to: URL(fileURLWithPath: path))
    #expect(throws: (any Error).self) { try Recipe.load(path, checksFiles: false) }
    do {
      _ = try Recipe.load(path, checksFiles: false)
    } catch {
      #expect(
        "\(error)"
          == "\(path): expected a recipe in UTF-8 of at most 1048576 bytes, found 52428800 bytes")
    }
    // Text that is given as such has the same limit.
    let text = "a: " + String(repeating: "x", count: 1 << 20)
    do {
      _ = try Recipe.parse(text, file: "r.yaml", checksFiles: false)
      Issue.record("expected an error")
    } catch {
      #expect("\(error)" == "r.yaml:1:1: expected at most 1048576 bytes of YAML, found 1048579")
    }
  }

  /// Keys given twice are looked for by reading the text again: not as often as a long text has them.
  @Test func longTextsWithRepeatedKeysAreReadAFewTimes() throws {
    let text = (0..<40_000).map { "key\($0 % 20_000): \($0)\n" }.joined()
    let began = ContinuousClock.now
    #expect(throws: RecipeError.self) { try Recipe.parse(text, file: "r.yaml", checksFiles: false) }
    // A thousand readings would take minutes.
    #expect(ContinuousClock.now - began < .seconds(60))
  }
}
