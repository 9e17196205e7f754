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
  /// text as a whole: a tokenizer may join the end of a paragraph with the white space behind it. What the tokenizer
  /// puts before a text stands before the first piece.
  static func cut(_ text: String, line: Int, options: DatasetOptions, tokenizer: Tokenizer) -> [TokenizedPart] {
    let bytes = Array(text.utf8)
    let paragraphs = paragraphs(of: bytes, line: line)
    func encode(_ first: Int, _ last: Int) -> [Int32] {
      let range = paragraphs[first].content.lowerBound..<paragraphs[last].content.upperBound
      return tokenizer.encode(String(decoding: bytes[range], as: UTF8.self), continues: first > 0)
    }
    /// About how many tokens a further paragraph adds.
    func cost(_ number: Int) -> Int {
      let range = paragraphs[number].separator.lowerBound..<paragraphs[number].content.upperBound
      return tokenizer.encode(String(decoding: bytes[range], as: UTF8.self), continues: true).count
    }

    var parts: [TokenizedPart] = []
    var first = 0
    while first < paragraphs.count {
      var opening = first == 0 ? tokenizer.prefix : []
      var tokens = encode(first, first)
      var done = 0  // tokens that windows hold already
      while opening.count + tokens.count - done > options.maxTokens {
        let end = done + max(1, options.maxTokens - opening.count)
        parts.append(TokenizedPart(text: opening + tokens[done..<end], line: paragraphs[first].line))
        (opening, done) = ([], end)
      }
      let room = options.maxTokens - opening.count + done
      // The last paragraph that seems to fit, corrected by what the tokens of the whole say.
      var (last, sum) = (first, tokens.count)
      while last + 1 < paragraphs.count {
        sum += cost(last + 1)
        if sum > room { break }
        last += 1
      }
      if last > first { tokens = encode(first, last) }
      while tokens.count > room, last > first {
        last -= 1
        tokens = encode(first, last)
      }
      while last + 1 < paragraphs.count {
        let more = encode(first, last + 1)
        if more.count > room { break }
        (last, tokens) = (last + 1, more)
      }
      var piece = opening + tokens[done...]
      if last + 1 == paragraphs.count, piece.count < options.maxTokens { piece.append(options.endOfSequence) }
      parts.append(TokenizedPart(text: piece, line: paragraphs[first].line))
      first = last + 1
    }
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
