import Foundation
import Testing

/// Every command of the README and of `docs` runs as it stands, or says why a test cannot run it.
@Suite struct DocumentationTests {
  /// What documents show that is no command.
  private static let data = ["", "yaml", "json"]

  /// A new piece of text is run, or marked: `<!-- not run: needs two hosts -->` in the line before it.
  @Test func everyBlockIsRunOrMarked() throws {
    var (run, marked) = (0, 0)
    for block in try DocumentBlock.documents().flatMap(DocumentBlock.blocks) {
      if block.mark != nil {
        marked += 1
      } else if block.language == "sh" {
        run += 1
      } else if let language = block.language, !Self.data.contains(language) {
        Issue.record("\(block.file):\(block.line): \(language) is not run; mark it with <!-- not run: why -->")
      } else if block.hasCommands {
        Issue.record("\(block.file):\(block.line): commands that are not run; make it a block of sh, or mark it")
      }
    }
    #expect(run >= 15 && marked >= 10)
  }

  /// One document after the other, from its first line to its last, in one folder.
  @Test(arguments: try DocumentBlock.documents()) func commandsRunAsTheyStand(file: String) throws {
    let blocks = try DocumentBlock.blocks(of: file).filter { $0.language == "sh" && $0.mark == nil }
    if blocks.isEmpty { return }
    let sandbox = try Sandbox()
    try sandbox.prepare(file)
    for block in blocks {
      let (status, output) = try sandbox.run(block.text)
      #expect(status == 0, "\(file):\(block.line): exit code \(status)\n\(block.text)\n\(output.suffix(2000))")
    }
  }

  /// Commands within sentences name commands and options that there are.
  @Test func inlineCommandsAreKnown() throws {
    let commands = try OptionTests.commands()
    var count = 0
    for file in try DocumentBlock.documents() {
      for text in try DocumentBlock.inlineCommands(of: file) {
        let words = text.split { " |,".contains($0) }.map(String.init).dropFirst()
        guard let first = words.first, first != "help", first.first?.isLowercase == true else { continue }
        guard
          let command = commands.filter({ Array(words).starts(with: $0.words) }).max(by: {
            $0.words.count < $1.words.count
          })
        else {
          // A list of subcommands, `occult recipes list|show`, begins with one of them; a group may stand alone.
          #expect(commands.contains { $0.words.first == first }, "\(file): `\(text)`")
          continue
        }
        count += 1
        for option in words where option.hasPrefix("--") {
          #expect(command.names.contains(String(option.prefix { $0 != "=" })), "\(file): `\(text)`: \(option)")
        }
      }
    }
    #expect(count > 30)
  }
}
