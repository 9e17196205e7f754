internal import Foundation

/// A count with its noun: `1 layer`, `2 layers`, `0 entries`.
///
/// - Parameters:
///   - count: How many.
///   - noun: One of them.
/// - Returns: Words for a sentence.
package func counted(_ count: Int, _ noun: String) -> String {
  if count == 1 { return "1 " + noun }
  if noun.hasSuffix("y") { return "\(count) \(noun.dropLast())ies" }
  return "\(count) \(noun)\(noun.hasSuffix("ch") || noun.hasSuffix("s") ? "es" : "s")"
}

/// A number with so many decimals, or from 10⁷ on with an exponent: all digits of a perplexity of 10²³ say nothing.
///
/// - Parameters:
///   - value: The number.
///   - digits: Decimals.
/// - Returns: The same text in every locale.
package func decimal(_ value: Double, _ digits: Int) -> String {
  abs(value) < 1e7 || !value.isFinite
    ? String(format: "%.\(digits)f", value) : String(format: "%.\(max(digits, 3))e", value)
}
