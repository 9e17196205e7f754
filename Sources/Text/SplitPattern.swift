/// A regular expression of a tokenizer file, compiled once and matched over UTF-8.
///
/// It is the part of Oniguruma's syntax (as Ruby has it, which Hugging Face tokenizers uses) that tokenizers are
/// written in; ``SplitPatternParser`` refuses the rest by name. As in the library the first alternative that matches
/// counts, not the longest, and every alternative is tried with backtracking.
///
/// Only single scalars are repeated, groups at most once. What a run of scalars may be followed by is looked for once
/// in the whole text (``Scratch/failed``), so that matching takes time proportional to the text, whatever the text is.
struct SplitPattern: Sendable {
  enum Instruction: Sendable, Equatable {
    /// One scalar of a set, given by its bit.
    case scalar(UInt32)
    /// As many scalars of a set as there are between two numbers; fewer on the way back, unless possessive.
    case run(UInt32, least: Int, most: Int, isPossessive: Bool)
    /// Goes on at one place, on the way back at another.
    case split(Int, otherwise: Int)
    case jump(Int)
    /// Whether the next scalar is in a set; at the end of the text it is in none.
    case ahead(UInt32, isNegative: Bool)
    /// The end of the text, or a line feed next.
    case endOfLine
    case match
  }

  /// Working memory of a search through one text.
  struct Scratch: Sendable {
    fileprivate struct Frame {
      enum Kind { case split, run, exhausted }
      let kind: Kind
      let place: Int
      /// Where to go on; for a run where it ends, for a run that is exhausted where it began.
      let position: Int
      /// Where a run ends at the least; where one that is exhausted ended at the most.
      let bound: Int
    }
    fileprivate var frames: [Frame] = []
    /// Runs by instruction which no continuation fits, wherever in the range they begin.
    fileprivate var failed: [Range<Int>] = []
  }

  private let program: [Instruction]
  /// Where each alternative begins, with the bits of the sets one of which its first scalar is in.
  private let alternatives: [(place: Int, first: UInt32)]
  private let first: UInt32
  private let table: ScalarTable

  /// A program whose alternatives match at least one scalar.
  init(program: [Instruction], alternatives: [(place: Int, first: UInt32)], sets: [ScalarSet]) {
    self.program = program
    self.alternatives = alternatives
    first = alternatives.reduce(0) { $0 | $1.first }
    table = ScalarTable(sets)
  }

  /// One scalar of a set.
  init(_ set: ScalarSet) {
    self.init(program: [.scalar(1), .match], alternatives: [(0, 1)], sets: [set])
  }

  /// A text as it stands, of at most 32 different scalars; `nil` for the empty text and for more.
  init?(literal: String) {
    var distinct: [Unicode.Scalar] = []
    for scalar in literal.unicodeScalars where !distinct.contains(scalar) { distinct.append(scalar) }
    guard !distinct.isEmpty, distinct.count <= 32 else { return nil }
    let program = literal.unicodeScalars.map { scalar in
      Instruction.scalar(1 << UInt32(distinct.firstIndex(of: scalar) ?? 0))
    }
    self.init(program: program + [.match], alternatives: [(0, 1)], sets: distinct.map { ScalarSet($0) })
  }

  /// Hands over every match in a range and what lies between, in the order of the text.
  func split(
    _ bytes: [UInt8], _ range: Range<Int>, _ scratch: inout Scratch, _ body: (Range<Int>, _ isMatch: Bool) -> Void
  ) {
    scratch.failed.removeAll(keepingCapacity: true)
    for _ in program.indices { scratch.failed.append(0..<0) }
    var start = range.lowerBound  // of what does not match
    var index = start
    while index < range.upperBound {
      let (mask, length) = table.mask(bytes, at: index)
      if mask & first != 0, let end = match(bytes, index, range.upperBound, mask, &scratch) {
        if start < index { body(start..<index, false) }
        body(index..<end, true)
        (start, index) = (end, end)
      } else {
        index += length
      }
    }
    if start < range.upperBound { body(start..<range.upperBound, false) }
  }

  private func match(_ bytes: [UInt8], _ start: Int, _ end: Int, _ mask: UInt32, _ scratch: inout Scratch) -> Int? {
    for alternative in alternatives where alternative.first & mask != 0 {
      if let end = run(alternative.place, bytes, start, end, &scratch) { return end }
    }
    return nil
  }

  /// Runs shorter than this are cheap to try again and are not noted as failed.
  private static let shortRun = 16

  private func run(_ place: Int, _ bytes: [UInt8], _ start: Int, _ end: Int, _ scratch: inout Scratch) -> Int? {
    scratch.frames.removeAll(keepingCapacity: true)
    var (place, position) = (place, start)
    while true {
      var isGood: Bool
      switch program[place] {
      case .match:
        return position
      case .scalar(let bit):
        isGood = false
        if position < end {
          let (mask, length) = table.mask(bytes, at: position)
          if mask & bit != 0 {
            isGood = true
            position += length
          }
        }
        place += 1
      case .run(let bit, let least, let most, let isPossessive):
        isGood = !scratch.failed[place].contains(position)
        if !isGood { break }
        let begin = position
        var count = 0
        var shortest = position
        while count < most, position < end {
          let (mask, length) = table.mask(bytes, at: position)
          if mask & bit == 0 { break }
          position += length
          count += 1
          if count == least { shortest = position }
        }
        isGood = count >= least
        if isGood, position > shortest, !isPossessive {
          if most == .max, count > Self.shortRun {
            scratch.frames.append(.init(kind: .exhausted, place: place, position: begin, bound: position))
          }
          scratch.frames.append(.init(kind: .run, place: place, position: position, bound: shortest))
        }
        place += 1
      case .split(let next, let otherwise):
        isGood = true
        scratch.frames.append(.init(kind: .split, place: otherwise, position: position, bound: 0))
        place = next
      case .jump(let next):
        isGood = true
        place = next
      case .ahead(let bit, let isNegative):
        isGood = (position < end && table.mask(bytes, at: position).mask & bit != 0) != isNegative
        place += 1
      case .endOfLine:
        isGood = position == end || bytes[position] == UInt8(ascii: "\n")
        place += 1
      }
      while !isGood {
        guard let frame = scratch.frames.popLast() else { return nil }
        switch frame.kind {
        case .split:
          (place, position) = (frame.place, frame.position)
          isGood = true
        case .exhausted:
          scratch.failed[frame.place] = frame.position..<frame.bound
        case .run:
          position = frame.position - 1
          while bytes[position] & 0xC0 == 0x80 { position -= 1 }
          if position > frame.bound {
            scratch.frames.append(.init(kind: .run, place: frame.place, position: position, bound: frame.bound))
          }
          place = frame.place + 1
          isGood = true
        }
      }
    }
  }
}
