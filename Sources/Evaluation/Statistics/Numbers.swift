internal import Formats
internal import Foundation

/// Numbers as people read them: fixed digits, a true minus sign, the same in every locale.
enum Numbers {
  /// What stands for an absent or undefined figure.
  static let absent = "–"

  /// exp(x), at most the largest finite number: a perplexity beyond it is no news, and files hold finite numbers only.
  static func exponential(_ x: Double) -> Double { min(exp(x), .greatestFiniteMagnitude) }

  /// A number with `digits` decimals; zero never has a sign.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    let text = decimal(abs(value), digits)
    let isZero = text.allSatisfy { $0 == "0" || $0 == "." }
    return (value < 0 && !isZero ? "−" : "") + text
  }

  /// The same with a plus sign for positive numbers.
  static func signed(_ value: Double, _ digits: Int) -> String {
    let text = fixed(value, digits)
    return value > 0 && text.contains { ("1"..."9").contains($0) } ? "+" + text : text
  }

  /// A share as a percentage without decimals, or with one below 10 %.
  static func percent(_ share: Double) -> String {
    fixed(share * 100, abs(share) < 0.0995 && share != 0 ? 1 : 0) + " %"
  }

  /// A share as a percentage with one decimal, for what is held against a margin.
  static func share(_ share: Double) -> String { fixed(share * 100, 1) + " %" }

  /// A perplexity with about five digits.
  static func perplexity(_ value: Double) -> String {
    value < 100 ? fixed(value, 3) : value < 10_000 ? fixed(value, 1) : String(format: "%.1e", value)
  }

  /// An integer with commas between thousands.
  static func grouped(_ value: Int) -> String {
    var text = ""
    for (index, digit) in String(value.magnitude).reversed().enumerated() {
      if index > 0, index.isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return (value < 0 ? "−" : "") + String(text.reversed())
  }

  /// A limit in words: `2`, or `none`.
  static func limit(_ limit: Int?) -> String { limit.map(String.init) ?? "none" }

  /// A duration, as in `42 s`, `6 min 10 s` or `2 h 05 min`.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(String(format: "%02d", whole % 60)) s" }
    return "\(whole / 3600) h \(String(format: "%02d", whole % 3600 / 60)) min"
  }

  /// A large number in a short form, as in `9.6 M`.
  static func short(_ value: Int) -> String {
    let number = Double(value)
    if number >= 1e9 { return fixed(number / 1e9, 1) + " G" }
    if number >= 1e6 { return fixed(number / 1e6, 1) + " M" }
    if number >= 1e4 { return fixed(number / 1e3, 0) + " k" }
    return grouped(value)
  }

  /// A change in bytes, `45 % fewer bytes` for instance.
  static func traffic(_ mine: Double, against theirs: Double) -> String {
    guard theirs > 0 else { return mine > 0 ? "bytes where none were sent" : "no bytes, like it" }
    let saved = 1 - mine / theirs
    if abs(saved) < 0.005 { return "as many bytes" }
    return saved > 0 ? "\(percent(saved)) fewer bytes" : "\(percent(-saved)) more bytes"
  }

  /// A probability with two digits, as `0.012`, or `<0.001`.
  static func probability(_ p: Double) -> String { p < 0.001 ? "<0.001" : fixed(p, 3) }
}
