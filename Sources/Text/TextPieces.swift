/// Cuts long texts into pieces of a limited number of tokens.
enum TextPieces {
  /// A paragraph with the white space before it, which holds the blank line that parts it from the one above.
  private struct Paragraph {
    let separator: Range<Int>
    let content: Range<Int>
    let line: Int
  }

  /// Pieces of whole paragraphs, each as many as fit; a paragraph that alone is too long becomes windows.
  ///
  /// White space at either end of the text and between pieces is left out. Within a piece the tokens are those of its
  /// text as a whole: GPT-2's pattern never reaches from a paragraph into white space behind it, so that paragraphs
  /// can be encoded one by one, each with the white space before it.
  static func cut(_ text: String, line: Int, options: DatasetOptions, tokenizer: Tokenizer) -> [TokenizedPart] {
    let bytes = Array(text.utf8)
    func encode(_ range: Range<Int>) -> [Int32] { tokenizer.encode(String(decoding: bytes[range], as: UTF8.self)) }

    var parts: [TokenizedPart] = []
    var current: [Int32] = []
    var start = line
    for paragraph in paragraphs(of: bytes, line: line) {
      if !current.isEmpty {
        let tokens = encode(paragraph.separator.lowerBound..<paragraph.content.upperBound)
        if current.count + tokens.count <= options.maxTokens {
          current += tokens
          continue
        }
        parts.append(TokenizedPart(text: current, line: start))
      }
      start = paragraph.line
      current = encode(paragraph.content)
      while current.count > options.maxTokens {
        parts.append(TokenizedPart(text: Array(current.prefix(options.maxTokens)), line: start))
        current.removeFirst(options.maxTokens)
      }
    }
    if current.isEmpty { return parts }
    if current.count < options.maxTokens { current.append(options.endOfSequence) }
    parts.append(TokenizedPart(text: current, line: start))
    return parts
  }

  private static func paragraphs(of bytes: [UInt8], line: Int) -> [Paragraph] {
    var paragraphs: [Paragraph] = []
    var line = line
    var index = 0
    var separator = 0..<0
    var start: Int?
    var startLine = line
    while index < bytes.count {
      guard isSpace(bytes[index]) else {
        if start == nil { (start, startLine) = (index, line) }
        index += 1
        continue
      }
      let space = index
      var newlines = 0
      while index < bytes.count, isSpace(bytes[index]) {
        if bytes[index] == UInt8(ascii: "\n") { newlines += 1 }
        index += 1
      }
      line += newlines
      if newlines >= 2 || index == bytes.count, let content = start {
        paragraphs.append(Paragraph(separator: separator, content: content..<space, line: startLine))
        start = nil
        separator = space..<index
      }
    }
    if let start { paragraphs.append(Paragraph(separator: separator, content: start..<bytes.count, line: startLine)) }
    return paragraphs
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
