import Testing

@testable import Training

/// A recipe with what must be there, to which tests add lines.
let minimal = """
  version: 1
  model: base.h5
  data: {train: {path: train.jsonl, format: alpaca}}
  output: runs/x

  """

func parse(_ text: String, _ overrides: String..., purpose: Recipe.Purpose = .finetune) throws(RecipeError) -> Recipe {
  try Recipe.parse(
    text, file: "r.yaml", overrides: overrides, purpose: purpose, checksFiles: false, workingFolder: "/home/me")
}

/// The lines of the error, or the word `fine`.
func messages(_ text: String, _ overrides: [String] = [], purpose: Recipe.Purpose = .finetune) -> [String] {
  do {
    _ = try Recipe.parse(
      text, file: "r.yaml", overrides: overrides, purpose: purpose, checksFiles: false, workingFolder: "/home/me")
    return ["fine"]
  } catch {
    return error.issues.map(\.description)
  }
}

@Suite struct RecipeErrorTests {
  @Test(arguments: RecipeErrorCases.lines)
  func lineIsAnError(line: String, message: String) {
    #expect(messages(minimal + line + "\n") == [message])
  }

  /// Seven lines that stand for ten million values.
  @Test func aliasesOfAliasesAreRefused() {
    var text = minimal + "a: &a 1\n"
    for (previous, next) in zip("abcdefg", "bcdefgh") {
      let items = Array(repeating: "*\(previous)", count: 10).joined(separator: ", ")
      text += "\(next): &\(next) [\(items)]\n"
    }
    let message = "r.yaml:1:1: expected at most 100000 values, found more: aliases that repeat each other"
    #expect(messages(text) == [message])
  }

  @Test func dataErrors() {
    let text = """
      version: 2
      model: [a]
      data:
        train:
          - {path: a.jsonl}
          - {path: b.json, format: alpacca, weight: 0}
          - {path: c.json, format: prompt_completion, column_map: {promt: q, completion: [a]}}
        validation: 1.0
        test: 3.5
        templates: alpaca
      """
    #expect(
      messages(text) == [
        "r.yaml:1:1: output: expected a folder for the run, found no such key",
        "r.yaml:1:10: version: expected 1, found '2'",
        "r.yaml:2:8: model: expected a checkpoint or a Hugging Face folder, found a list",
        "r.yaml:5:7: data.train.format: expected the format of 'a.jsonl', one of alpaca, sharegpt, chat, "
          + "prompt_completion, text, found no such key",
        "r.yaml:6:30: data.train.format: expected alpaca, sharegpt, chat, prompt_completion or text, found 'alpacca'; "
          + "did you mean 'alpaca'?",
        "r.yaml:6:47: data.train.weight: expected a number above 0 and at most 1000, found '0'",
        "r.yaml:7:62: data.train.column_map.promt: expected a column of prompt_completion (prompt, completion, system), "
          + "found 'promt'; did you mean 'prompt'?",
        "r.yaml:7:84: data.train.column_map.completion: expected a name in the file, found a list",
        "r.yaml:8:15: data.validation: expected a share from 0 to below 1, or a source, found '1.0'",
        "r.yaml:9:9: data.test.format: expected the format of '3.5', one of alpaca, sharegpt, chat, prompt_completion, "
          + "text, found no such key",
        "r.yaml:10:3: data.templates: unknown key; did you mean 'data.template'?",
      ])
  }

  @Test(arguments: ["", "# only a comment\n", "---\n"])
  func emptyFile(text: String) {
    #expect(messages(text).count >= 1)
    #expect(messages(text) != ["fine"])
  }

  @Test func everyRepeatedKeyIsFoundTogetherWithTheRest() {
    let text = minimal + "run:\n  seed: 1\n  'seed': 2\n  seed: 3\nsave: {keep: 1, keep: 2}\nmodel: b.h5\nruns: {}\n"
    #expect(
      messages(text) == [
        "r.yaml:8:3: run.seed: given twice, before in line 7; remove one",
        "r.yaml:9:17: save.keep: given twice, before in line 9; remove one",
        "r.yaml:10:1: model: given twice, before in line 2; remove one",
        "r.yaml:11:1: runs: unknown key; did you mean 'run'?",
      ])
  }

  @Test func studyNeedsArmsAndTestData() {
    #expect(
      messages(minimal, purpose: .study) == [
        "r.yaml:1:1: study.arms: expected at least one arm for a study, like {standard: {}}, found none",
        "r.yaml:3:7: data.test: expected test data for a study, found none",
      ])
  }

  @Test(arguments: [
    ("routing.devise_limit=1", "argument 2: routing.devise_limit=1: unknown key; did you mean 'routing.device_limit'?"),
    ("rooting.device_limit=1", "argument 2: rooting.device_limit=1: rooting: unknown key; did you mean 'routing'?"),
    (
      "routing={devise_limit: 1}",
      "argument 2: routing={devise_limit: 1}: routing.devise_limit: unknown key; did you mean 'routing.device_limit'?"
    ),
    ("run.seed=x", "argument 2: run.seed=x: expected an integer of at least 0, found 'x'"),
    ("run.seed", "argument 2: run.seed: expected key=value or ~key, found no '='"),
    ("run..seed=1", "argument 2: run..seed=1: expected a dotted key before '='"),
    ("=1", "argument 2: =1: expected a dotted key before '='"),
    (
      "optimizer.betas=[0.9",
      "argument 2: optimizer.betas=[0.9: expected YAML, while parsing a flow sequence from line 1: did not find expected ',' or ']'"
    ),
    ("~run.seed", "argument 2: ~run.seed: nothing to remove, the recipe does not set it"),
    (
      "~data.trian",
      "argument 2: ~data.trian: nothing to remove, the recipe does not set it; did you mean 'data.train'?"
    ),
    ("model.x=1", "argument 2: model.x=1: expected a map of keys at 'model', found 'base.h5'; give 'model' as a whole"),
    ("~data.train", "r.yaml:3:7: data.train: expected training data, found no such key"),
  ])
  func argumentIsAnError(argument: String, message: String) {
    #expect(messages(minimal, [argument]) == [message])
  }

  @Test func fileAndArgumentsAreReportedTogetherInReadingOrder() {
    #expect(
      messages(minimal + "run: {seed: -1}\n", ["run.threads=-2", "save.keep=0", "run.threads=0"]) == [
        "r.yaml:5:13: run.seed: expected an integer of at least 0, found '-1'",
        "argument 3: save.keep=0: expected an integer in 1...1000000000, found '0'",
        "argument 4: run.threads=0: expected an integer in 1...4096 or auto, found '0'",
      ])
  }
}
