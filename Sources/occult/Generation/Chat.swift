import Foundation
import Models
import Text

/// A chat on standard input and output.
struct Chat {
  /// Makes an empty text for the model.
  let begin: () -> GeneratedText
  /// A chat before its first message.
  let prompt: ChatPrompt
  let system: String?
  let maxNew: Int
  /// Whether an answer may be shorter because the context ends.
  let shortens: Bool
  /// Whether a person types: then there are prompts, and mistakes end nothing.
  private let isTerminal = isatty(STDIN_FILENO) == 1

  /// Answers line by line until the input or the person ends.
  func run() throws {
    if isTerminal { note("a message a line; /reset begins anew, /quit ends") }
    var (text, chat, isFirst) = (begin(), prompt, true)
    while let message = read() {
      switch message.trimmingCharacters(in: .whitespaces) {
      case "": continue
      case "/quit": return
      case "/reset": (text, chat, isFirst) = (begin(), prompt, true)
      default:
        // The response before may have ended at a stop string or at its greatest length.
        let closing = isFirst || text.lastToken == chat.end ? [] : [chat.end]
        var next = chat
        let tokens = closing + next.next(message, system: isFirst ? system : nil)
        do {
          var output = Verbatim()
          _ = try text.add(tokens, maxNew: maxNew, shortens: shortens, end: chat.end) { write(output.add($0)) }
          write(output.finish())
        } catch GenerationError.context(let prompt, let maxNew, let context) where isTerminal {
          // What does not fit has not been added.
          note("\(GenerationError.context(prompt: prompt, maxNew: maxNew, context: context))\nor /reset")
          continue
        }
        write(Array("\n\(text.routing.map { $0 + "\n" } ?? "")".utf8))
        (chat, isFirst) = (next, false)
      }
    }
  }

  private func read() -> String? {
    if isTerminal { say("> ") }
    return readLine()
  }
}
