import Foundation
import Testing
import Text

/// What commands make of `config.json` and `generation_config.json`.
@Suite struct ForeignConfigurationTests {
  private func run(_ arguments: String..., input: String? = nil) throws -> CommandLineTests.Result {
    try CommandLineTests.run(arguments, input: input)
  }

  private static let prompt = ["--prompt", "The old man sat", "--ids"]

  private func newTokens(_ place: Workplace, _ options: [String] = []) throws -> [String] {
    let result = try CommandLineTests.run(["generate", place.run("base.h5")] + Self.prompt + options)
    try #require(result.status == 0, "\(result.error)")
    let lines = result.out.split(separator: "\n", omittingEmptySubsequences: false)
    return lines[1].split(separator: " ").map(String.init)
  }

  /// A key that nobody here knows is told once by every command that loads the file, from a folder and from a
  /// checkpoint.
  @Test func unknownKeysAreToldOnce() throws {
    let place = try Workplace(keys: "\"zeta\": 1", companions: ["generation_config.json": "{\"eta\": 2}"])
    let (base, folder) = (place.run("base.h5"), place.run("folder"))
    try "1 2 3\n".write(toFile: place.run("ids.txt"), atomically: true, encoding: .utf8)
    try "The old man sat by the fire.\n".write(toFile: place.run("text.txt"), atomically: true, encoding: .utf8)
    func expectWarnings(_ arguments: [String], _ path: String, _ separator: String, files: Int = 2) throws {
      let result = try CommandLineTests.run(arguments)
      #expect(result.status == 0, "\(arguments): \(result.error)")
      let configuration = separator == " " ? "config_json" : "config.json"
      for (file, key) in [(configuration, "zeta"), ("generation_config.json", "eta")].prefix(files) {
        let line =
          "warning: \(path)\(separator)\(file): \(key): expected keys that this version knows, found another; what it changes is not computed\n"
        #expect(result.error.components(separatedBy: line).count == 2, "\(arguments): \(result.error)")
      }
    }
    try expectWarnings(["convert", base, folder], base, " ")
    for (model, separator) in [(base, " "), (folder, "/")] {
      try expectWarnings(["inspect", model], model, separator)
      try expectWarnings(["inspect", model, "--verify"], model, separator)
      try expectWarnings(["generate", model, "--prompt", "x", "--max-new", "2"], model, separator)
      try expectWarnings(
        ["evaluate", model, "--text", place.run("text.txt"), "--output", place.run("e" + UUID().uuidString)], model,
        separator)
      try expectWarnings(
        ["trace", model, "--tokens", place.run("ids.txt"), "--output", place.run(UUID().uuidString + ".h5")], model,
        separator)
    }
    try expectWarnings(["finetune", place.recipe, "--dry-run"], base, " ")
    try expectWarnings(["inspect", folder + "/config.json"], folder, "/", files: 1)
    #expect(try run("inspect", base).out.contains("unknown keys"))
  }

  /// What is off in evaluation is read, and no run is trained with it.
  @Test func dropoutIsRefusedForTrainingAlone() throws {
    let place = try Workplace(keys: "\"attention_dropout\": 0.1")
    for options in [[], ["--dry-run"]] {
      let refused = try CommandLineTests.run(["finetune", place.recipe] + options)
      #expect(refused.status == 1)
      #expect(
        refused.error
          == "\(place.run("base.h5")) config_json: attention_dropout: expected 0 for training: dropout of attention "
          + "weights is not computed (without training it is off), found 0.1; try a copy of the model whose configuration says 0\n"
      )
    }
    #expect(try run("generate", place.run("base.h5"), "--prompt", "x", "--max-new", "2").status == 0)
    #expect(try run("inspect", place.run("base.h5")).out.contains("not possible"))
  }

  /// End tokens of both files end a text, a chat's answer as well; from a checkpoint and from a folder.
  @Test func everyEndTokenEnds() throws {
    let plain = try newTokens(try Workplace(), ["--max-new", "8"])
    try #require(plain.count == 8)
    // The first token that was not there before.
    let cut = try #require(plain.indices.dropFirst(2).first { !plain[..<$0].contains(plain[$0]) })
    let place = try Workplace(companions: ["generation_config.json": "{\"eos_token_id\": [0, \(plain[cut])]}"])
    #expect(try newTokens(place, ["--max-new", "8"]) == Array(plain[..<cut]))
    #expect(try run("convert", place.run("base.h5"), place.run("folder")).status == 0)
    let folder = try CommandLineTests.run(["generate", place.run("folder"), "--max-new", "8"] + Self.prompt)
    #expect(folder.out.split(separator: "\n", omittingEmptySubsequences: false)[1].split(separator: " ").count == cut)
    func answer(_ place: Workplace) throws -> String {
      let options = ["generate", place.run("base.h5"), "--chat", "--template", "plain", "--max-new", "8"]
      return try CommandLineTests.run(options, input: "The old man sat\n").out
    }
    let (long, short) = (try answer(try Workplace()), try answer(place))
    #expect(long.hasPrefix(short.dropLast()) && short.utf8.count < long.utf8.count)
  }

  /// Defaults for drawing are taken where options do not say otherwise, and a line tells it.
  @Test func samplingDefaultsAreUsedAndTold() throws {
    let settings = """
      {"do_sample": true, "temperature": 0.9, "top_k": 40, "top_p": 0.95, "max_new_tokens": 6, "min_p": 0.05}
      """
    let (place, plain) = (try Workplace(companions: ["generation_config.json": settings]), try Workplace())
    let base = place.run("base.h5")
    let drawn = try CommandLineTests.run(["generate", base] + Self.prompt)
    #expect(
      drawn.error
        == "generation_config.json: temperature 0.9, top_k 40, top_p 0.95, max_new_tokens 6; options go before "
        + "them; not computed: min_p 0.05\n")
    let options = ["--temperature", "0.9", "--top-k", "40", "--top-p", "0.95", "--max-new", "6"]
    #expect(drawn.out == (try CommandLineTests.run(["generate", plain.run("base.h5")] + Self.prompt + options)).out)
    let greedy = try CommandLineTests.run(["generate", base] + Self.prompt + ["--temperature", "0"])
    #expect(
      greedy.error == "generation_config.json: max_new_tokens 6; options go before them; not computed: min_p 0.05\n")
    #expect(
      greedy.out == (try CommandLineTests.run(["generate", plain.run("base.h5"), "--max-new", "6"] + Self.prompt)).out)
    #expect(greedy.out != drawn.out)
    // transformers draws from 50 where the file names no number; more than fits into the context is no error.
    let many = try Workplace(companions: ["generation_config.json": #"{"do_sample": true, "max_new_tokens": 5000}"#])
    let whole = try CommandLineTests.run(["generate", many.run("base.h5")] + Self.prompt)
    #expect(
      whole.status == 0
        && whole.error
          == "generation_config.json: temperature 1.0, top_k 50, max_new_tokens 5000; options go before them\n"
    )
    let lines = whole.out.split(separator: "\n", omittingEmptySubsequences: false).map {
      $0.split(separator: " ").count
    }
    #expect(lines[0] + lines[1] <= 64 && lines[1] > 6)
    let penalised = try Workplace(companions: ["generation_config.json": #"{"repetition_penalty": 1000.0}"#])
    #expect(
      try newTokens(penalised, ["--max-new", "20"])
        == newTokens(plain, ["--max-new", "20", "--repetition-penalty", "1000"]))
  }

  @Test func brokenSettingsNameTheirFile() throws {
    let place = try Workplace(companions: ["generation_config.json": "{\"eos_token_id\": 4096}"])
    #expect(
      try run("inspect", place.run("base.h5")).error == "\(place.run("base.h5")) generation_config.json: eos_token_id: "
        + "expected an integer in 0...4095 or a list of them, found 4096\n")
  }

  /// Tokens end inside characters: files get U+FFFD as tokenizers decode it, and never half a character.
  @Test func filesGetValidText() throws {
    let place = try Workplace()
    let tokenizer = try Tokenizer(
      json: try Data(
        contentsOf: URL(fileURLWithPath: CommandLineTests.root + "/Tests/TextTests/Oracles/base.tokenizer.json")),
      source: "tokenizer.json")
    var broken = 0
    for seed in 0..<6 {
      let options = ["--temperature", "9", "--max-new", "40", "--seed", "\(seed)"]
      let ids = try newTokens(place, options).compactMap { Int32($0) }
      let bytes = ids.flatMap { tokenizer.bytes(of: $0) }
      let text = try CommandLineTests.run(
        ["generate", place.run("base.h5"), "--prompt", "The old man sat"] + options)
      let expected = "The old man sat" + String(decoding: bytes, as: UTF8.self) + "\n"
      #expect(text.out == expected)
      if String(validating: bytes, as: UTF8.self) == nil { broken += 1 }
    }
    #expect(broken > 0)
  }
}
