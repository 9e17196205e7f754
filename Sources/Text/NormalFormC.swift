internal import Foundation

extension String {
  /// Unicode normal form C as Hugging Face tokenizers has it: by the tables of Unicode 9.
  ///
  /// Scalars that came later neither compose nor change their order there. They are therefore taken out and only what
  /// lies between them is normalised. So are the old Hangul jamo, which compose with nothing but are mistaken for
  /// their modern neighbours by Foundation on Linux (swift-corelibs: U+AC00 U+11A7 becomes U+AC00). Decomposing first
  /// is needed there too, or a syllable does not take up the final consonant that follows it.
  var normalFormC: String {
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
    isEmpty ? self : decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
  }
}

extension Unicode.Scalar {
  /// Whether normalisation leaves this scalar and its place alone.
  fileprivate var isInert: Bool {
    switch value {
    case 0..<0x300: false
    case 0x1113...0x1160, 0x1176...0x11A7, 0x11C3...0x11FF: true
    default: properties.age.map { $0.major > 9 } ?? true
    }
  }
}
