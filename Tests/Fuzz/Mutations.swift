import Formats
import Routing

enum Mutations {
  /// Bits, bytes, runs of bytes: for any format.
  static func bytes(_ input: inout [UInt8], _ random: inout SplitMix64) {
    guard !input.isEmpty else { return input.append(UInt8(random.below(256))) }
    let place = random.below(input.count)
    let length = min(input.count - place, 1 + random.below(random.below(4) == 0 ? 512 : 8))
    switch random.below(7) {
    case 0: input[place] ^= 1 << UInt8(random.below(8))
    case 1: input[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)]
    case 2: input.removeSubrange(place..<place + length)
    case 3: input.insert(contentsOf: input[place..<place + length], at: random.below(input.count))
    case 4: input.insert(contentsOf: (0..<length).map { _ in UInt8(random.below(256)) }, at: place)
    case 5: input.removeLast(random.below(input.count))
    default:
      // A number of eight, four or two bytes, as lengths and offsets are.
      let value = number(&random)
      for byte in 0..<min([8, 4, 2][random.below(3)], input.count - place) {
        input[place + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte))
      }
    }
  }

  /// Tokens of a text: strings, numbers, words and single signs change places, come twice, go, or become others.
  static func tokens(_ input: inout [UInt8], _ random: inout SplitMix64) {
    // A window: cutting up a whole vocabulary for every input would leave no time for reading.
    let begin = random.below(max(1, input.count))
    let window = begin..<min(input.count, begin + 2048)
    var tokens = split(input[window])
    guard tokens.count > 1 else { return bytes(&input, &random) }
    let (place, other) = (random.below(tokens.count), random.below(tokens.count))
    switch random.below(8) {
    case 0: tokens.swapAt(place, other)
    case 1: tokens.remove(at: place)
    case 2: tokens.insert(tokens[other], at: place)
    case 3: tokens[place] = tokens[other]
    case 4:
      let digits = tokens.indices.filter { tokens[$0].first.map { (0x30...0x39).contains($0) } ?? false }
      let at = digits.isEmpty ? place : digits[random.below(digits.count)]
      tokens[at] = Array(numbers[random.below(numbers.count)].utf8)
    case 5: tokens[place] = Array(words[random.below(words.count)].utf8)
    case 6:
      let (first, last) = (min(place, other), max(place, other))
      tokens.insert(contentsOf: tokens[first...min(last, first + 64)], at: first)
    default:
      let bracket: UInt8 = random.below(2) == 0 ? 0x5B : 0x7B
      tokens.insert([UInt8](repeating: bracket, count: 1 + random.below(5000)), at: place)
    }
    input.replaceSubrange(window, with: tokens.joined())
  }

  static func number(_ random: inout SplitMix64) -> Int {
    switch random.below(4) {
    case 0: [0, -1, .max, .min, 1 << 32, 1 << 31, 1 << 62, 100_000_000, 100_000_001][random.below(9)]
    case 1: 1 << random.below(63)
    case 2: random.below(1 << 20)
    default: Int(bitPattern: UInt(random.next()))
    }
  }

  private static let numbers = [
    "0", "-1", "1", "2", "3", "255", "65536", "1000000000", "2147483648", "4294967296", "4611686018427387904",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775808", "1e400", "-0.0",
    "1.5", "1e-400", "0.0000001", "00", "1e", "NaN", "123456789012345678901234567890",
  ]
  private static let words = [
    "null", "true", "false", "{}", "[]", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "\"\u{FEFF}\"", "\"__metadata__\"",
    "\"BF16\"", "\"F8_E4M3\"", "&a", "*a", "<<", "!!binary", "? ", "- ", ": ", "\t", "\n", "|", ">", "%YAML 1.1", "---",
    "~", "\"../x\"", "\"type\"", "\"model\"", "#", "'", "\"", "[1, 2]", "{a: b}",
  ]

  /// Strings in quotes, runs of letters and digits, single other bytes.
  private static func split(_ text: ArraySlice<UInt8>) -> [[UInt8]] {
    var tokens: [[UInt8]] = []
    var index = text.startIndex
    func isWord(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
        || byte >= 0x80
    }
    while index < text.endIndex {
      let start = index
      index += 1
      if text[start] == 0x22 {
        while index < text.endIndex, text[index] != 0x22 { index += text[index] == 0x5C ? 2 : 1 }
        index = min(index + 1, text.endIndex)
      } else if isWord(text[start]) {
        while index < text.endIndex, isWord(text[index]) { index += 1 }
      }
      tokens.append(Array(text[start..<index]))
    }
    return tokens
  }
}
