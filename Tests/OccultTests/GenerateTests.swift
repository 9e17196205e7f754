import Foundation
import Testing

/// `occult generate` on the base model.
@Suite struct GenerateTests {
  private func run(_ options: [String], input: String? = nil) throws -> CommandLineTests.Result {
    try CommandLineTests.run(["generate", CommandLineTests.root + "/checkpoints/base.h5"] + options, input: input)
  }

  private let prompt = ["--prompt", "The old man sat by the fire and", "--max-new", "24"]

  @Test func stopsBeforeAText() throws {
    let whole = try run(prompt)
    #expect(whole.status == 0 && whole.out.hasPrefix("The old man sat by the fire and"))
    let new = whole.out.dropFirst("The old man sat by the fire and".count).dropLast()
    let words = new.split(separator: " ")
    let stop = " " + (try #require(words.dropFirst(2).first))
    let range = try #require(new.range(of: stop))
    let stopped = try run(prompt + ["--stop", "never in it", "--stop", stop])
    #expect(stopped.out == "The old man sat by the fire and" + new[..<range.lowerBound] + "\n")
  }

  @Test func samplingIsRepeatedByItsSeed() throws {
    let options = prompt + ["--temperature", "0.9", "--top-k", "40", "--top-p", "0.95"]
    let first = try run(options + ["--seed", "3"]).out
    #expect(try run(options + ["--seed", "3"]).out == first)
    #expect(try run(options + ["--seed", "4"]).out != first)
    // No token survives such a penalty twice.
    func new(_ options: [String]) throws -> [Substring] {
      try run(prompt + ["--ids"] + options).out.split(separator: "\n")[1].split(separator: " ")
    }
    let (plain, penalised) = (try new([]), try new(["--repetition-penalty", "1000"]))
    #expect(Set(plain).count < plain.count && penalised.count > 5 && Set(penalised).count == penalised.count)
  }

  @Test func routingIsShownATokenALine() throws {
    let missing = try run(prompt + ["--show-routing"])
    #expect(missing.status == 64 && missing.error.contains("--show-routing: expected a placement, found none"))
    let shown = try run(prompt + ["--show-routing", "--devices", "4", "--device-limit", "1"]).out
    let lines = shown.split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("token") && lines[0].hasSuffix("device 3"))
    let rows = lines.dropFirst().prefix { $0.hasPrefix("'") }
    #expect(rows.count >= 24 + 8 && rows.allSatisfy { $0.contains("'  ") && $0.contains("1.00") })
    #expect(lines.last == "devices_per_token 1.000, mean over tokens and MoE layers")
    let shares = lines.dropFirst(rows.count + 2).prefix(4).compactMap { line in
      line.split(separator: " ").dropFirst().first.flatMap { Double($0) }
    }
    #expect(shares.count == 4 && abs(shares.reduce(0, +) - 1) < 0.003)
  }

  /// The second answer follows from the whole chat, and /reset forgets it.
  @Test func chatRemembersUntilItIsReset() throws {
    let options = ["--chat", "--template", "plain", "--max-new", "12"]
    let chat = try run(options, input: "The king was old.\nHe had a\n/reset\nHe had a\n/quit\nnever read\n")
    #expect(chat.status == 0)
    let answers = chat.out.split(separator: "\n", omittingEmptySubsequences: false)
    let alone = try run(options, input: "He had a\n")
    #expect(chat.out.hasSuffix(alone.out))
    let together = try run(options, input: "The king was old.\nHe had a\n")
    #expect(chat.out == together.out + alone.out)
    #expect(together.out.hasPrefix(try run(options, input: "The king was old.\n").out))
    #expect(together.out != (try run(options, input: "The king was old.\n").out) + alone.out && answers.count >= 3)
  }

  @Test(arguments: [
    (["--chat", "--prompt", "x"], "--chat: expected messages from standard input, found --prompt"),
    ([], "generate: expected --prompt or --chat, found neither"),
    (["--prompt", "x", "--top-k", "5"], "--top-k, --top-p: expected a temperature to draw at, found 0"),
    (["--prompt", "x", "--temperature", "1", "--top-p", "0"], "--top-p: expected above 0 and at most 1, found 0.0"),
    (["--prompt", "x", "--temperature", "1", "--top-k", "0"], "--top-k: expected at least 1, found 0"),
    (["--prompt", "x", "--repetition-penalty", "0"], "--repetition-penalty: expected above 0, found 0.0"),
    (["--prompt", "x", "--stop", ""], "--stop: expected a text, found an empty one"),
    (["--prompt", "x", "--system", "y"], "--system: expected a chat, found none"),
    (["--chat", "--template", "chatml"], "expected a tokenizer with the token '<|im_start|>'"),
  ])
  func badOptionsAreNamed(options: [String], message: String) throws {
    let result = try run(options, input: "")
    #expect(result.status != 0 && result.error.contains(message), "\(result.error)")
  }
}
