internal import Foundation

/// Unicode normal form C as Hugging Face tokenizers has it: by the tables of Unicode 9.
enum NormalFormC {
  /// Normalises valid UTF-8.
  ///
  /// Most scalars are settled: they never change and never join what stands before them. Only stretches of others are
  /// normalised, each with the one settled scalar before it, which they may join.
  static func normalise(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var copied = 0  // bytes[..<copied] are in the result
    var base = 0  // the last settled scalar, or where the last stretch ended
    var index = 0
    while index < bytes.count {
      let (scalar, length) = bytes.scalar(at: index)
      if isSettled(scalar) {
        base = index
        index += length
        continue
      }
      var end = index + length
      while end < bytes.count {
        let (next, length) = bytes.scalar(at: end)
        if isSettled(next) { break }
        end += length
      }
      result += bytes[copied..<base]
      result += String(decoding: bytes[base..<end], as: UTF8.self).normalFormC.utf8
      (copied, base, index) = (end, end, end)
    }
    return copied == 0 ? bytes : result + bytes[copied...]
  }

  /// Whether a scalar is known never to change, reorder or join: blocks without combining marks, exceptions left out.
  @inline(__always)
  private static func isSettled(_ scalar: UInt32) -> Bool {
    if scalar < 0x300 { return true }
    return switch scalar {
    case 0x375...0x37D, 0x37F...0x386, 0x388...0x482,  // Greek, Cyrillic
      0x2002...0x20CF, 0x2190...0x2328, 0x232B...0x2ADB,  // punctuation, signs
      0x3000...0x3029, 0x3030...0x3098, 0x309B...0xA66E,  // kana, Chinese characters
      0xAC00...0xD7A3, 0xFE00...0xFE0F, 0xFF00...0xFFEF,  // Hangul, selectors, full width
      0x1F000...0x1FAFF, 0x20000...0x2F7FF:  // emoji, rare Chinese characters
      true
    default: false
    }
  }
}

extension String {
  /// Scalars that came after Unicode 9 neither compose nor change their order in the library. They are therefore taken
  /// out and only what lies between them is normalised. So are the old Hangul jamo, which compose with nothing but are
  /// mistaken for their modern neighbours by Foundation on Linux (U+AC00 U+11A7 becomes U+AC00). Decomposing first is
  /// needed there too, or a syllable does not take up the final consonant that follows it. And scalars beyond the first
  /// plane that compose with nothing, of which Foundation looks at the lower half (U+F0063 U+0301 becomes U+0107).
  fileprivate var normalFormC: String {
    var result = ""
    var run = ""
    for scalar in unicodeScalars {
      if scalar.isInert {
        result += run.composed
        result.unicodeScalars.append(scalar)
        run = ""
      } else {
        run.unicodeScalars.append(scalar)
      }
    }
    return result + run.composed
  }

  private var composed: String {
    if isEmpty { return self }
    if hasLongRunOfMarks { return composedPairByPair }
    return decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
  }

  /// Foundation orders marks in a buffer: runs that are far too long for a language come out in pieces.
  private var hasLongRunOfMarks: Bool {
    var run = 0
    for scalar in unicodeScalars {
      run = scalar.properties.canonicalCombiningClass == .notReordered ? 0 : run + 1
      if run > 20 { return true }
    }
    return false
  }

  /// The normal form by its definition, with Foundation as the table of what a scalar decomposes to and what two are.
  ///
  /// - Source: Unicode Standard Annex 15; D109 and D117 of the Unicode Standard, chapter 3.
  private var composedPairByPair: String {
    typealias Mark = (scalar: Unicode.Scalar, combining: UInt8)
    var marks: [Mark] = []
    for scalar in unicodeScalars {
      for part in String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars {
        marks.append((part, part.properties.canonicalCombiningClass.rawValue))
      }
    }
    var ordered: [Mark] = []
    for part in marks.split(omittingEmptySubsequences: false, whereSeparator: { $0.combining == 0 }) {
      // `sorted` is stable: marks of one class keep their order.
      ordered += part.sorted { $0.combining < $1.combining }
      if part.endIndex < marks.count { ordered.append(marks[part.endIndex]) }
    }
    var result: [Mark] = []
    var starter: Int?
    for mark in ordered {
      let last = result.last
      // Blocked by a mark in between of the same class or a higher one, or by a starter.
      let isFree = starter.map { $0 + 1 == result.count || (last?.combining ?? 0) < mark.combining } ?? false
      if isFree, let starter {
        var pair = String(result[starter].scalar)
        pair.unicodeScalars.append(mark.scalar)
        let whole = pair.decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping.unicodeScalars
        if whole.count == 1, let scalar = whole.first {
          result[starter].scalar = scalar
          continue
        }
      }
      if mark.combining == 0 { starter = result.count }
      result.append(mark)
    }
    var text = ""
    for mark in result { text.unicodeScalars.append(mark.scalar) }
    return text
  }
}

extension Unicode.Scalar {
  /// Whether normalisation leaves this scalar and its place alone.
  fileprivate var isInert: Bool {
    switch value {
    case 0..<0x300: false
    case 0x1113...0x1160, 0x1176...0x11A7, 0x11C3...0x11FF: true
    case 0x10000...: properties.canonicalCombiningClass == .notReordered && !composesBeyondThePlane || isYoung
    default: isYoung
    }
  }

  private var isYoung: Bool { properties.age.map { $0.major > 9 } ?? true }

  /// Whether this is one of the few scalars beyond the first plane that decompose or join others.
  private var composesBeyondThePlane: Bool {
    switch value {
    // Scripts of India, musical notes, Chinese characters of other standards.
    case 0x11099...0x110BA, 0x11127...0x11132, 0x1133E...0x11357, 0x114B0...0x114BE, 0x115AF...0x115BB,
      0x1D157...0x1D164, 0x1D1B9...0x1D1C0,
      0x2F800...0x2FA1D:
      true
    default: false
    }
  }
}

extension [UInt8] {
  /// The scalar at an offset of valid UTF-8, and its length in bytes.
  @inline(__always)
  func scalar(at index: Int) -> (value: UInt32, length: Int) {
    let first = UInt32(self[index])
    if first < 0x80 { return (first, 1) }
    let second = UInt32(self[index + 1] & 0x3F)
    if first < 0xE0 { return ((first & 0x1F) << 6 | second, 2) }
    let third = UInt32(self[index + 2] & 0x3F)
    if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, 3) }
    return ((first & 0x07) << 18 | second << 12 | third << 6 | UInt32(self[index + 3] & 0x3F), 4)
  }
}
