import Evaluation
import Models
import Text

/// A text with the devices that its tokens visit.
struct RoutingView {
  let tokens: [Int32]
  let trail: DeviceTrail
  let tokenizer: Tokenizer

  /// Background colours of devices in the 256 colours of terminals, dark enough for white and far apart; they repeat
  /// after eight.
  private static let colours = [25, 130, 28, 90, 124, 30, 94, 60]

  private func colour(_ device: Int) -> Int { Self.colours[device % Self.colours.count] }

  /// The text in colours, or a line a token; then what the devices had to do.
  func text(isColoured: Bool) -> String { (isColoured ? coloured : table) + "\n\n" + summary(isColoured: isColoured) }

  /// Runs of tokens of one device; a character that is spread over tokens goes with its first.
  private var coloured: String {
    var text = ""
    var (bytes, device): ([UInt8], Int) = ([], 0)
    for (token, visit) in zip(tokens, trail.tokens) {
      if String(validating: bytes, as: UTF8.self) != nil, visit.main != device {
        text += painted(bytes, device)
        bytes = []
      }
      if bytes.isEmpty { device = visit.main }
      bytes += tokenizer.bytes(of: token)
    }
    return text + painted(bytes, device)
  }

  private func painted(_ bytes: [UInt8], _ device: Int) -> String {
    // Backgrounds end before a line break, or terminals paint the rest of the line.
    Printable.text(String(decoding: bytes, as: UTF8.self)).split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? "" : paint(String($0), device) }.joined(separator: "\n")
  }

  private func paint(_ text: String, _ device: Int) -> String {
    "\u{1B}[97;48;5;\(colour(device))m\(text)\u{1B}[0m"
  }

  private var table: String {
    var table = TextTable(
      heads: ["token", ">devices"] + (0..<trail.placement.devices).map { ">device \($0)" })
    for (token, visit) in zip(tokens, trail.tokens) {
      let text = Printable.text(String(decoding: tokenizer.bytes(of: token), as: UTF8.self))
      table.rows.append(
        ["'" + text.replacing("\n", with: "\\n").replacing("\t", with: "\\t") + "'", fixed(visit.devices, 2)]
          + visit.shares.map { fixed($0, 2) })
    }
    return table.text
  }

  private func summary(isColoured: Bool) -> String {
    let count = Double(max(trail.tokens.count, 1))
    var table = TextTable(heads: ["device", ">share of weights", ">tokens with most there", ""])
    for device in 0..<trail.placement.devices {
      let share = trail.tokens.reduce(0) { $0 + $1.shares[device] } / count
      table.rows.append([
        "\(device)", fixed(share, 3), "\(trail.tokens.count { $0.main == device })",
        isColoured ? paint("     ", device) : "",
      ])
    }
    let devices = trail.tokens.reduce(0) { $0 + $1.devices } / count
    return table.text + "\ndevices_per_token \(fixed(devices)), mean over tokens and MoE layers"
  }
}
