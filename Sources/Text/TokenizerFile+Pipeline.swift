/// What a `tokenizer.json` says of its steps from text to words and back.
extension TokenizerFile {
  static func normaliser(_ file: TokenizerSection) throws(TokenizerError) -> Normaliser? {
    guard let section = file.optionalSection("normalizer") else { return nil }
    return try normaliser(of: section)
  }

  private static func normaliser(of section: TokenizerSection) throws(TokenizerError) -> Normaliser {
    switch try section.requiredType() {
    case "NFC":
      try section.allow(["type"])
      return .formC
    case "Prepend":
      try section.allow(["type", "prepend"])
      return .prepend(try section.bytes("prepend"))
    case "Replace":
      try section.allow(["type", "pattern", "content"])
      let (old, new) = try replacement(section)
      return .replace(old, with: new)
    case "Sequence":
      try section.allow(["type", "normalizers"])
      var steps: [Normaliser] = []
      for step in try section.sections("normalizers") { steps.append(try normaliser(of: step)) }
      return .sequence(steps)
    case let other:
      throw section.unsupported("type", "'\(other)'", "NFC, Prepend, Replace, Sequence or null")
    }
  }

  /// `Replace` of a text that is not empty.
  private static func replacement(
    _ section: TokenizerSection
  ) throws(TokenizerError) -> (old: [UInt8], new: [UInt8]) {
    let pattern = try section.pattern()
    guard pattern.kind == "String", !pattern.text.isEmpty else {
      throw section.unsupported("pattern", "\(pattern.kind) '\(pattern.text)'", "a String that is not empty")
    }
    return (Array(pattern.text.utf8), Array(try section.text("content").utf8))
  }

  /// - Returns: The steps, and whether they end in the spelling of bytes as visible characters.
  static func preTokenizer(
    _ file: TokenizerSection
  ) throws(TokenizerError) -> (steps: [PreTokenizer.Step], isByteLevel: Bool) {
    guard let section = file.optionalSection("pre_tokenizer") else { return ([], false) }
    guard section.type == "Sequence" else { return try preTokenizer(of: section) }
    try section.allow(["type", "pretokenizers"])
    var steps: [PreTokenizer.Step] = []
    var isByteLevel = false
    for child in try section.sections("pretokenizers") {
      if isByteLevel {
        throw child.unsupported("type", "'\(child.type ?? "none")' after ByteLevel", "ByteLevel at the end")
      }
      let read = try preTokenizer(of: child)
      steps += read.steps
      isByteLevel = read.isByteLevel
    }
    return (steps, isByteLevel)
  }

  private static func preTokenizer(
    of section: TokenizerSection
  ) throws(TokenizerError) -> (steps: [PreTokenizer.Step], isByteLevel: Bool) {
    switch try section.requiredType() {
    case "ByteLevel":
      try section.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
      let spaces = try section.bool("add_prefix_space", default: true)
      let cuts = try section.bool("use_regex", default: true)
      return ((spaces ? [.spaceBefore] : []) + (cuts ? [.gpt2] : []), true)
    case "Split":
      try section.allow(["type", "pattern", "behavior", "invert"])
      let behaviour: PreTokenizer.Behaviour = try section.choice("behavior")
      let isInverted = try section.bool("invert", default: false)
      if behaviour == .isolated, !isInverted, try section.pattern() == ("Regex", gpt2) { return ([.gpt2], false) }
      return ([.split(try splitPattern(section), behaviour, isInverted: isInverted)], false)
    case "Digits":
      try section.allow(["type", "individual_digits"])
      let isEach = try section.bool("individual_digits", default: false)
      let digit = SplitPattern(ScalarSet(table: UnicodeClasses.digits))
      return ([.split(digit, isEach ? .isolated : .contiguous, isInverted: false)], false)
    case "Metaspace":
      let (replacement, prepending, splits) = try metaspace(section)
      return ([.metaspace(replacement: replacement, prepending, splits: splits)], false)
    case let other:
      throw section.unsupported("type", "'\(other)'", "ByteLevel, Split, Digits, Metaspace, Sequence or null")
    }
  }

  /// GPT-2's own pattern, which is cut by hand.
  private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  private static func splitPattern(_ section: TokenizerSection) throws(TokenizerError) -> SplitPattern {
    let (kind, text) = try section.pattern()
    if kind == "String" {
      if let pattern = SplitPattern(literal: text) { return pattern }
      throw section.unsupported("pattern", "the String '\(text)'", "1 to 32 different characters")
    }
    do throws(SplitPatternError) {
      return try SplitPatternParser.parse(text)
    } catch {
      throw section.unsupported(
        "pattern", "\(error.feature) in the pattern \(text)",
        "alternatives of classes, ranges, \\p{…}, ?, *, +, {n,m}, (?i:…), a look ahead at one character")
    }
  }

  private static func metaspace(
    _ section: TokenizerSection
  ) throws(TokenizerError) -> (replacement: [UInt8], PreTokenizer.Prepending, splits: SplitPattern?) {
    try section.allow(["type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"])
    let replacement = try section.text("replacement")
    guard let pattern = SplitPattern(literal: replacement), replacement.unicodeScalars.count == 1 else {
      throw section.invalid("replacement", "one character", "'\(replacement)'")
    }
    return (
      Array(replacement.utf8), try prepending(section), try section.bool("split", default: true) ? pattern : nil
    )
  }

  /// `prepend_scheme`, which files of old versions do not have. Like the library this refuses two keys that disagree.
  private static func prepending(_ section: TokenizerSection) throws(TokenizerError) -> PreTokenizer.Prepending {
    let scheme: PreTokenizer.Prepending =
      section.value["prepend_scheme"] == nil ? .always : try section.choice("prepend_scheme")
    if section.value["add_prefix_space"] == .bool(false), scheme != .never {
      throw section.invalid("add_prefix_space", "the same as prepend_scheme, \(scheme.rawValue)", "false")
    }
    return scheme
  }

  static func decoder(_ file: TokenizerSection) throws(TokenizerError) -> PieceDecoder {
    let section = try file.section("decoder")
    guard section.type == "Sequence" else { return PieceDecoder(steps: [try decoderStep(section)]) }
    try section.allow(["type", "decoders"])
    var steps: [PieceDecoder.Step] = []
    for child in try section.sections("decoders") { steps.append(try decoderStep(child)) }
    return PieceDecoder(steps: steps)
  }

  private static func decoderStep(_ section: TokenizerSection) throws(TokenizerError) -> PieceDecoder.Step {
    switch try section.requiredType() {
    case "ByteLevel":
      try section.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
      return .byteLevel
    case "Replace":
      try section.allow(["type", "pattern", "content"])
      let (old, new) = try replacement(section)
      return .replace(old, with: new)
    case "ByteFallback":
      try section.allow(["type"])
      return .byteFallback
    case "Fuse":
      try section.allow(["type"])
      return .fuse
    case "Strip":
      try section.allow(["type", "content", "start", "stop"])
      return .strip(try section.bytes("content"), start: try section.count("start"), stop: try section.count("stop"))
    case "Metaspace":
      let (replacement, prepending, _) = try metaspace(section)
      return .metaspace(replacement, omitsFirst: prepending != .never)
    case let other:
      throw section.unsupported(
        "type", "'\(other)'", "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace or Sequence")
    }
  }

  /// Tokens that are put around a text on its own.
  struct Surroundings: Equatable {
    var prefix: [Int32] = []
    var suffix: [Int32] = []
  }

  static func surroundings(_ file: TokenizerSection) throws(TokenizerError) -> Surroundings {
    guard let section = file.optionalSection("post_processor") else { return Surroundings() }
    guard section.type == "Sequence" else { return try surroundings(of: section) }
    try section.allow(["type", "processors"])
    var result = Surroundings()
    for child in try section.sections("processors") {
      // Each works on what the one before has made.
      let next = try surroundings(of: child)
      result = Surroundings(prefix: next.prefix + result.prefix, suffix: result.suffix + next.suffix)
    }
    return result
  }

  private static func surroundings(of section: TokenizerSection) throws(TokenizerError) -> Surroundings {
    switch try section.requiredType() {
    case "ByteLevel":
      // Only moves offsets.
      try section.allow(["type", "add_prefix_space", "trim_offsets", "use_regex"])
      return Surroundings()
    case "TemplateProcessing":
      try section.allow(["type", "single", "pair", "special_tokens"])
      var result = Surroundings()
      var isBehind = false
      for item in try section.sections("single") {
        try item.allow(["Sequence", "SpecialToken"])
        if let sequence = item.optionalSection("Sequence") {
          try sequence.allow(["id", "type_id"])
          if isBehind { throw item.unsupported("Sequence", "a template with the text twice", "the text once") }
          isBehind = true
        } else {
          let token = try item.section("SpecialToken")
          try token.allow(["id", "type_id"])
          let ids = try special(try token.text("id"), section)
          if isBehind { result.suffix += ids } else { result.prefix += ids }
        }
      }
      guard isBehind else { throw section.invalid("single", "a template with the text", "none") }
      return result
    case let other:
      throw section.unsupported("type", "'\(other)'", "ByteLevel, TemplateProcessing, Sequence or null")
    }
  }

  private static func special(_ name: String, _ section: TokenizerSection) throws(TokenizerError) -> [Int32] {
    let tokens = try section.section("special_tokens")
    try tokens.optionalSection(name)?.allow(["id", "ids", "tokens"])
    guard case .array(let values)? = tokens.value[name]?["ids"] else {
      throw tokens.invalid(name, "the ids of the token", tokens.value[name]?.kind ?? "none")
    }
    var ids: [Int32] = []
    for value in values { ids.append(try id(value, tokens, name)) }
    return ids
  }
}
