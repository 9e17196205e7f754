import Foundation
import Models
import Text

/// A text that a model continues, up to the stop strings, with the devices of its tokens where they are asked for.
struct GeneratedText {
  private var generator: Generator
  private let tokenizer: Tokenizer
  private let stops: StopStrings
  private var trail: DeviceTrail?

  init(_ generator: Generator, tokenizer: Tokenizer, stops: [String], trail: DeviceTrail?) {
    (self.generator, self.tokenizer, self.stops, self.trail) = (generator, tokenizer, StopStrings(stops), trail)
  }

  /// The last token of the text.
  var lastToken: Int32? { generator.tokens.last }

  /// Adds tokens, and what the model says to them.
  ///
  /// - Parameters:
  ///   - prompt: Tokens to add.
  ///   - maxNew: Most tokens after them.
  ///   - shortens: Whether no more are asked for than fit into the model's context.
  ///   - end: A token that ends the response, beside the model's own.
  ///   - show: Given the new text in pieces of bytes; a character may be spread over several.
  /// - Returns: The new tokens.
  /// - Throws: `GenerationError`.
  mutating func add(
    _ prompt: [Int32], maxNew: Int, shortens: Bool, end: Int32? = nil, show: ([UInt8]) -> Void
  ) throws -> [Int32] {
    let maxNew = shortens ? max(1, min(maxNew, generator.room - prompt.count)) : maxNew
    var stops = stops
    var trail = trail
    let new = try generator.continue(with: prompt, maxNew: maxNew, observe: { trail?.add($0) }) { token in
      if token == end { return true }
      show(stops.take(tokenizer.bytes(of: token)))
      return stops.isStopped
    }
    show(stops.finish())
    if trail != nil { generator.finish { trail?.add($0) } }
    self.trail = trail
    return new
  }

  /// Which devices the tokens visit, for a terminal or as a table; nil where nobody asked.
  var routing: String? {
    trail.map { RoutingView(tokens: generator.tokens, trail: $0, tokenizer: tokenizer).text(isColoured: isColoured) }
  }
}

/// Whether standard output takes colours.
var isColoured: Bool {
  isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty
}
