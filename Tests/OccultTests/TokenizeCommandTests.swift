import Checkpoint
import Foundation
import Testing

/// `occult tokenize`, and what other commands say of a model's tokenizer files.
@Suite struct TokenizeCommandTests {
  private static let oracles = CommandLineTests.root + "/Tests/TextTests/Oracles"
  private let base = CommandLineTests.root + "/checkpoints/base.h5"
  private let text = "The old man sat by the fire."

  private func run(_ arguments: [String], input: String? = nil) throws -> CommandLineTests.Result {
    try CommandLineTests.run(["tokenize"] + arguments, input: input)
  }

  /// A folder with the tokenizer of the tests and files beside it, removed at the end.
  private final class Folder {
    let path = NSTemporaryDirectory() + "/occult-tokenize-" + UUID().uuidString

    init(_ files: [String: String] = [:]) throws {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        atPath: TokenizeCommandTests.oracles + "/base.tokenizer.json", toPath: path + "/tokenizer.json")
      for (name, text) in files { try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  @Test func thereAndBack() throws {
    let ids = try run([base, text, "--ids"])
    #expect(ids.status == 0 && ids.error.isEmpty)
    let back = try run([base, ids.out, "--decode"])
    #expect(back.status == 0 && back.out == text + "\n")
    #expect(try run([base, "--ids"], input: text).out == ids.out)
    let pieces = try run([base, text, "--pieces"])
    #expect(pieces.out.hasPrefix(#"["The", "Ġold", "#) && pieces.out.hasSuffix("]\n"))
    let table = try run([base, text])
    #expect(table.out.contains("Ġold") && table.out.hasSuffix(" tokens\n"))
  }

  /// The same tokens from a folder without weights, from its file and from a checkpoint; a file is a text.
  @Test func allKindsOfModels() throws {
    let folder = try Folder(["book.txt": "The fire.\r\nOld."])
    let wanted = try run([base, text, "The fire.\nOld.", "--ids"]).out
    for model in [folder.path, folder.path + "/tokenizer.json"] {
      let found = try run([model, text, folder.path + "/book.txt", "--ids"])
      #expect(found.status == 0 && found.out == wanted)
      #expect(found.error == "note: \(folder.path)/book.txt: 1 line ends \\r\\n or \\r read as \\n\n")
    }
  }

  @Test func filesBesideAreReadAndNamed() throws {
    let folder = try Folder([
      "tokenizer_config.json": """
      {"tokenizer_class": "PreTrainedTokenizerFast", "frobnicate": 3, "add_bos_token": true, "bos_token": "<|endoftext|>",
       "added_tokens_decoder": {"4096": {"content": "<extra>", "special": true}}}
      """
    ])
    let found = try run([folder.path, "<extra>", "--ids"])
    #expect(found.status == 0 && found.out == "4096\n")
    #expect(found.error.contains("(tokenizer_config.json): 'frobnicate': not known to this version and not used"))
    #expect(found.error.contains("add_bos_token: true, without effect beside tokenizer.json"))
    let skipped = try run([folder.path, "4096 4096", "--decode", "--no-special-tokens"])
    #expect(skipped.out == "\n")
  }

  @Test func mistakesAreNamed() throws {
    let folder = try Folder(["tokenizer_config.json": #"{"tokenizer_class": "GemmaTokenizer"}"#])
    #expect(
      try run([folder.path, "a"]).error.contains("tokenizer_class: 'GemmaTokenizer', which builds steps of its own"))
    try FileManager.default.removeItem(atPath: folder.path + "/tokenizer.json")
    #expect(try run([folder.path, "a"]).error.contains("expected a tokenizer, found none"))
    #expect(try run([base, "a", "--ids", "--pieces"]).status == 64)
    #expect(try run([base, "12 x", "--decode"]).error.contains("--decode: expected ids such as '510 1711', found 'x'"))
    #expect(try run([base + "x", "a"]).status == 1)
  }

  /// A model folder whose tokenizer cannot be used: `inspect` says so, `--verify` refuses, before anything is copied.
  @Test func inspectAndConvertBuildIt() throws {
    let folder = try Folder()
    let model = folder.path + "/model"
    let convert = try CommandLineTests.run(["convert", base, model])
    #expect(convert.status == 0)
    try #"{"tokenizer_class": "GemmaTokenizer"}"#.write(
      toFile: model + "/tokenizer_config.json", atomically: true, encoding: .utf8)
    try FileManager.default.removeItem(atPath: model + "/occult.json")
    let words = "tokenizer_class: 'GemmaTokenizer', which builds steps of its own"
    let looked = try CommandLineTests.run(["inspect", model])
    #expect(looked.status == 0 && looked.error.contains("commands that need text will refuse this model"))
    #expect(looked.error.contains(words))
    #expect(try CommandLineTests.run(["inspect", model, "--verify"]).status == 1)
    let copied = folder.path + "/copy.h5"
    let verified = try CommandLineTests.run(["convert", model, copied, "--verify"])
    #expect(verified.status == 1 && verified.error.contains(words))
    #expect(!FileManager.default.fileExists(atPath: copied))
    let plain = try CommandLineTests.run(["convert", model, copied])
    #expect(plain.status == 0 && plain.error.contains(words))
  }

  /// The template that a chat is held in: asked for, trained with, or the default; and that one of the model's is not.
  @Test func chatSaysWhichTemplate() throws {
    let folder = try Folder()
    let model = folder.path + "/model"
    #expect(try CommandLineTests.run(["convert", base, model]).status == 0)
    func chat(_ model: String, _ options: [String] = []) throws -> String {
      try CommandLineTests.run(["generate", model, "--chat", "--max-new", "1"] + options, input: "Hello\n").error
    }
    #expect(try chat(model).contains("note: template 'alpaca' (the default; the model does not say"))
    #expect(try chat(model, ["--template", "plain"]).contains("note: template 'plain' (--template)"))
    try "{{ messages }}".write(toFile: model + "/chat_template.jinja", atomically: true, encoding: .utf8)
    #expect(
      try chat(model, ["--template", "plain"]).contains(
        "note: the model has a chat template (chat_template.jinja), which is not evaluated: 'plain' is used in its place "
          + "(--template)"))
  }

  @Test func chatUsesTheTemplateOfTheRun() throws {
    let place = try Workplace()
    let run = try CommandLineTests.run(["finetune", place.recipe, "schedule.max_steps=1", "schedule.warmup_steps=0"])
    #expect(run.status == 0)
    let chat = try CommandLineTests.run(
      ["generate", place.run("run/final.h5"), "--chat", "--max-new", "1"], input: "Hello\n")
    #expect(chat.status == 0 && chat.error.contains("note: template 'plain' (as the run was trained)"))
  }
}
