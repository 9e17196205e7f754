internal import Files
import ArgumentParser
import Checkpoint
import Evaluation
import Formats
import Foundation
import Training
import Text

/// `occult tokenize`.
struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the tokens of texts, or the text of tokens.",
    discussion: """
      Each input is a text of its own: a file if there is one of that name, otherwise the argument itself; without inputs it \
      is all of standard input. Tokens that the model puts around a text are there, as commands put them. Line ends of a \
      file are read as they are in training, \\r\\n as \\n.

      Examples:
        occult tokenize checkpoints/base.h5 "The old man sat by the fire."
        occult tokenize OLMoE-1B-7B-0924 book.txt --ids --no-special-tokens
        occult tokenize my-model/tokenizer.json --decode "510 1711 637"
      """)

  @Argument(
    help: "A Hugging Face folder (its tokenizer files are enough), a checkpoint (.h5) or a tokenizer.json by itself.",
    completion: .file())
  var model: String

  @Argument(help: "Texts or files; standard input if there are none.", completion: .file())
  var inputs: [String] = []

  @Flag(help: "Print ids alone, a line for each input.")
  var ids = false

  @Flag(help: "Print tokens as the vocabulary spells them, a JSON list for each input.")
  var pieces = false

  @Flag(help: "Inputs are ids, between spaces or commas: print the text.")
  var decode = false

  @Flag(inversion: .prefixedNo, help: "Put the tokens around a text, and decode special tokens.")
  var specialTokens = true

  func validate() throws {
    let forms = [("--ids", ids), ("--pieces", pieces), ("--decode", decode)].filter(\.1).map(\.0)
    if forms.count > 1 {
      throw ValidationError(
        "tokenize: expected one of --ids, --pieces and --decode, found \(forms.joined(separator: ", "))")
    }
  }

  func run() throws {
    let tokenizer = try ModelTokenizer.load(model)
    tell(tokenizer.notes + tokenizer.remarks)
    for text in try inputs.isEmpty ? [standardInput()] : inputs.map(contents) {
      if decode {
        let tokens = try numbers(text)
        var output = Verbatim()
        write(output.add(Array((tokenizer.decode(tokens, skipSpecial: !specialTokens) + "\n").utf8)) + output.finish())
        continue
      }
      let tokens = tokenizer.encode(text, addSpecialTokens: specialTokens)
      if ids {
        print(tokens.map(String.init).joined(separator: " "))
      } else if pieces {
        print(JSONValue.array(tokens.map { .string(tokenizer.piece($0) ?? "") }).text())
      } else {
        print(table(tokens, tokenizer))
      }
    }
  }

  private func table(_ tokens: [Int32], _ tokenizer: Tokenizer) -> String {
    let rows = tokens.map { token in
      let text = JSONValue.string(String(decoding: tokenizer.bytes(of: token), as: UTF8.self)).text()
      return ["\(token)", tokenizer.piece(token) ?? "", text]
    }
    return TextTable(heads: [">id", "piece", "text"], rows: rows).text + "\n\n\(counted(tokens.count, "token"))"
  }

  /// The text of an input: of the file of that name, or the input itself.
  private func contents(_ input: String) throws -> String {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: input, isDirectory: &isFolder)
    guard exists, !isFolder.boolValue else { return input }
    let (text, replaced) = LineEnds.universal(Array(try TextFile.read(input).utf8))
    if let note = LineEnds.note(input, replaced: replaced) { tell([note]) }
    return text
  }

  private func standardInput() throws -> String {
    let bytes = Array(try FileHandle(fileDescriptor: STDIN_FILENO).readToEnd() ?? Data())
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ValidationError("standard input: expected UTF-8, found other bytes; try `iconv -t UTF-8`")
    }
    return text
  }

  private func numbers(_ text: String) throws -> [Int32] {
    try text.split { $0 == "," || $0.isWhitespace }.map { word in
      guard let id = Int32(word), id >= 0 else {
        throw ValidationError("--decode: expected ids such as '510 1711', found '\(word)'")
      }
      return id
    }
  }
}
