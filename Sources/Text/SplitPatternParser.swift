/// What a pattern has that is not supported, in words.
struct SplitPatternError: Error, Equatable {
  let feature: String
}

/// Reads the regular expressions of tokenizer files.
///
/// Supported: literals, `.`, `\r \n \t \f \s \S \d \D \p{…} \P{…}` with general categories, classes with ranges,
/// `|`, `(…)`, `(?:…)`, `(?i:…)` around ASCII letters, `? * +` and `{n}`, `{n,}`, `{n,m}` after one scalar, `?` after a
/// group, the possessive `?+ *+ ++`, `(?!x)` and `(?=x)` with one scalar, `$`. Everything else is an error that names
/// it.
struct SplitPatternParser {
  private indirect enum Node {
    case run(Int, least: Int, most: Int, isPossessive: Bool)
    case group([[Node]], isOptional: Bool)
    case ahead(Int, isNegative: Bool)
    case endOfLine
  }

  private let text: [Unicode.Scalar]
  private var index = 0
  private var ignoresCase = false
  private var depth = 0
  private var sets: [ScalarSet] = []
  private var program: [SplitPattern.Instruction] = []

  /// Reads a pattern.
  static func parse(_ pattern: String) throws(SplitPatternError) -> SplitPattern {
    var parser = SplitPatternParser(text: Array(pattern.unicodeScalars))
    return try parser.pattern()
  }

  private init(text: [Unicode.Scalar]) { self.text = text }

  private mutating func pattern() throws(SplitPatternError) -> SplitPattern {
    let branches = try alternatives()
    if index < text.count { throw error("')' without '('") }
    var places: [(place: Int, first: UInt32)] = []
    for branch in branches {
      let (first, isEmpty) = Self.first(of: branch)
      if isEmpty { throw error("a pattern that matches the empty text") }
      places.append((program.count, first))
      emit(branch)
      program.append(.match)
    }
    return SplitPattern(program: program, alternatives: places, sets: sets)
  }

  private func error(_ feature: String) -> SplitPatternError { SplitPatternError(feature: feature) }

  private var next: Unicode.Scalar? { index < text.count ? text[index] : nil }

  private mutating func take(_ word: String) -> Bool {
    let scalars = Array(word.unicodeScalars)
    guard text[index...].starts(with: scalars) else { return false }
    index += scalars.count
    return true
  }

  private mutating func alternatives() throws(SplitPatternError) -> [[Node]] {
    depth += 1
    defer { depth -= 1 }
    if depth > 20 { throw error("more than 20 nested groups") }
    var branches: [[Node]] = []
    repeat { branches.append(try sequence()) } while take("|")
    return branches
  }

  private mutating func sequence() throws(SplitPatternError) -> [Node] {
    var nodes: [Node] = []
    var literal: Unicode.Scalar?  // the scalar before, if it was one
    while let scalar = next, scalar != "|", scalar != ")" {
      let before = literal
      literal = nil
      index += 1
      switch scalar {
      case "(": nodes.append(try group())
      case "$": nodes.append(.endOfLine)
      case "^": throw error("'^'")
      case "*", "+", "?", "{": throw error("'\(scalar)' with nothing before it")
      case ".": nodes.append(try quantified(ScalarSet("\n").inverted))
      case "[": nodes.append(try quantified(try bracket()))
      case "\\":
        if ignoresCase { throw error("'\\' in (?i:…)") }
        nodes.append(try quantified(try escape()))
      default:
        if let before, ignoresCase { try checkFolding(before, scalar) }
        literal = scalar
        nodes.append(try quantified(try folded(scalar)))
      }
    }
    return nodes
  }

  /// Letters that the library also takes for one ligature when case is ignored, as `ss` for `ß`.
  private func checkFolding(_ a: Unicode.Scalar, _ b: Unicode.Scalar) throws(SplitPatternError) {
    let pair = "\(a)\(b)".lowercased()
    if ["ss", "ff", "fi", "fl", "st"].contains(pair) { throw error("'\(pair)' in (?i:…)") }
  }

  private func folded(_ scalar: Unicode.Scalar) throws(SplitPatternError) -> ScalarSet {
    guard ignoresCase else { return ScalarSet(scalar) }
    guard scalar.isASCII else { throw error("'\(scalar)' in (?i:…)") }
    let cases = [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping].flatMap(\.unicodeScalars)
    let set = ScalarSet(cases.map { $0.value...$0.value })
    return switch cases[0] {
    case "k": set.union(ScalarSet("\u{212A}"))  // the Kelvin sign
    case "s": set.union(ScalarSet("\u{17F}"))  // the long s
    default: set
    }
  }

  private mutating func group() throws(SplitPatternError) -> Node {
    if take("?!") || take("?=") {
      let isNegative = text[index - 1] == "!"
      let branches = try alternatives()
      guard take(")") else { throw error("'(' without ')'") }
      guard branches.count == 1, branches[0].count == 1,
        case .run(let bit, least: 1, most: 1, isPossessive: false) = branches[0][0]
      else { throw error("a look ahead at more than one character") }
      return .ahead(bit, isNegative: isNegative)
    }
    let outside = ignoresCase
    defer { ignoresCase = outside }
    if take("?i:") {
      ignoresCase = true
    } else if !take("?:"), next == "?" {
      throw error("'(\(String(String.UnicodeScalarView(text[index...].prefix(3))))'")
    }
    let branches = try alternatives()
    guard take(")") else { throw error("'(' without ')'") }
    let isOptional = take("?")
    if let scalar = next, "*+?{".unicodeScalars.contains(scalar) { throw error("'\(scalar)' after a group") }
    return .group(branches, isOptional: isOptional)
  }

  /// A set with the quantifier that follows it.
  private mutating func quantified(_ set: ScalarSet) throws(SplitPatternError) -> Node {
    let number: Int
    if let known = sets.firstIndex(of: set) {
      number = known
    } else {
      if sets.count == 32 { throw error("a pattern with more than 32 classes of characters") }
      number = sets.count
      sets.append(set)
    }
    var (least, most) = (1, 1)
    let mayBePossessive = next != "{"
    if take("?") {
      (least, most) = (0, 1)
    } else if take("*") {
      (least, most) = (0, .max)
    } else if take("+") {
      (least, most) = (1, .max)
    } else if take("{") {
      (least, most) = try interval()
    } else {
      return .run(number, least: 1, most: 1, isPossessive: false)
    }
    let isPossessive = mayBePossessive && take("+")
    if let scalar = next, "*+?{".unicodeScalars.contains(scalar) { throw error("'\(scalar)' after a quantifier") }
    return .run(number, least: least, most: most, isPossessive: isPossessive)
  }

  private mutating func interval() throws(SplitPatternError) -> (Int, Int) {
    func number() -> Int? {
      var digits = ""
      while let scalar = next, ("0"..."9").contains(scalar), digits.count < 4 {
        digits.unicodeScalars.append(scalar)
        index += 1
      }
      return Int(digits)
    }
    guard let least = number() else { throw error("'{' that is not {n}, {n,} or {n,m}") }
    let most = take(",") ? (number() ?? .max) : least
    guard take("}"), most >= max(least, 1) else { throw error("'{' that is not {n}, {n,} or {n,m}") }
    return (least, most)
  }
}

extension SplitPatternParser {
  /// What follows a backslash.
  private mutating func escape() throws(SplitPatternError) -> ScalarSet {
    guard let scalar = next else { throw error("'\\' at the end") }
    index += 1
    switch scalar {
    case "n": return ScalarSet("\n")
    case "r": return ScalarSet("\r")
    case "t": return ScalarSet("\t")
    case "f": return ScalarSet("\u{C}")
    case "s": return .spaces
    case "S": return ScalarSet.spaces.inverted
    case "d", "D":
      guard let digits = ScalarSet(category: "Nd") else { throw error("'\\\(scalar)'") }
      return scalar == "d" ? digits : digits.inverted
    case "p", "P":
      var name = ""
      guard take("{") else { throw error("'\\\(scalar)' without '{'") }
      while let letter = next, letter != "}" {
        name.unicodeScalars.append(letter)
        index += 1
      }
      guard take("}"), let set = ScalarSet(category: name) else { throw error("'\\\(scalar){\(name)}'") }
      return scalar == "p" ? set : set.inverted
    default:
      let isLetter = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
      guard scalar.isASCII, !isLetter else { throw error("'\\\(scalar)'") }
      return ScalarSet(scalar)
    }
  }

  /// A class in brackets, the first one taken already.
  private mutating func bracket() throws(SplitPatternError) -> ScalarSet {
    if ignoresCase { throw error("a class in (?i:…)") }
    let isInverted = take("^")
    let start = index + 1
    var set = ScalarSet()
    while true {
      guard let scalar = next else { throw error("'[' without ']'") }
      index += 1
      if scalar == "]", index > start { return isInverted ? set.inverted : set }
      let isSet = scalar == "[" || scalar == "]" || (scalar == "&" && next == "&")
      if isSet { throw error("'\(scalar)' inside of a class") }
      let low = scalar == "\\" ? try escape() : ScalarSet(scalar)
      guard let from = low.single, next == "-", index + 1 < text.count, text[index + 1] != "]" else {
        set = set.union(low)
        continue
      }
      index += 2
      let last = text[index - 1]
      if last == "[" { throw error("'[' inside of a class") }
      let high = last == "\\" ? try escape() : ScalarSet(last)
      guard let to = high.single, from <= to else {
        throw error("a range that is not from one character to a later one")
      }
      set = set.union(ScalarSet([from...to]))
    }
  }
}

extension SplitPatternParser {
  /// The sets one of which the first scalar of a sequence is in, and whether it may be empty.
  private static func first(of nodes: [Node]) -> (bits: UInt32, isEmpty: Bool) {
    var bits: UInt32 = 0
    for node in nodes {
      switch node {
      case .run(let set, let least, _, _):
        bits |= 1 << UInt32(set)
        if least > 0 { return (bits, false) }
      case .group(let branches, let isOptional):
        let firsts = branches.map(first)
        for first in firsts { bits |= first.bits }
        if !isOptional, !firsts.contains(where: \.isEmpty) { return (bits, false) }
      case .ahead, .endOfLine: break
      }
    }
    return (bits, true)
  }

  private mutating func emit(_ nodes: [Node]) {
    for node in nodes {
      switch node {
      case .run(let set, least: 1, most: 1, _):
        program.append(.scalar(1 << UInt32(set)))
      case .run(let set, let least, let most, let isPossessive):
        program.append(.run(1 << UInt32(set), least: least, most: most, isPossessive: isPossessive))
      case .group(let branches, let isOptional):
        let entry = program.count
        if isOptional { program.append(.jump(0)) }
        var exits: [Int] = []
        for (number, branch) in branches.enumerated() {
          let place = program.count
          if number + 1 < branches.count { program.append(.jump(0)) }
          emit(branch)
          exits.append(program.count)
          program.append(.jump(0))
          if number + 1 < branches.count { program[place] = .split(place + 1, otherwise: program.count) }
        }
        for exit in exits { program[exit] = .jump(program.count) }
        if isOptional { program[entry] = .split(entry + 1, otherwise: program.count) }
      case .ahead(let set, let isNegative):
        program.append(.ahead(1 << UInt32(set), isNegative: isNegative))
      case .endOfLine:
        program.append(.endOfLine)
      }
    }
  }
}

extension ScalarSet {
  /// The only scalar of the set, `nil` if there is not exactly one.
  fileprivate var single: UInt32? {
    guard ranges.count == 1, ranges[0].count == 1 else { return nil }
    return ranges[0].lowerBound
  }
}
