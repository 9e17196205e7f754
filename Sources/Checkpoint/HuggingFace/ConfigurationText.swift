internal import Formats

/// The text of a `config.json`, edited member by member: what is not touched keeps every byte.
///
/// A parser that writes its values again would change numbers (`1e-05`), order and spaces of a file that is carried
/// along verbatim. The text is a JSON object already found sound.
struct ConfigurationText {
  private var bytes: [UInt8]

  init(_ text: String) { bytes = Array(text.utf8) }

  /// The text as it stands.
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The JSON text of a top-level key's value; nil where there is no such key.
  func value(of key: String) -> String? {
    member(key).map { String(decoding: bytes[$0.value], as: UTF8.self) }
  }

  /// Puts a member behind the last one; `removing` it leaves the bytes that were there before.
  mutating func append(_ key: String, _ value: String) {
    guard let last = members().last else { return }
    bytes.insert(contentsOf: ",\n  \(JSONValue.quoted(key)): \(value)".utf8, at: last.value.upperBound)
  }

  /// Takes a top-level member out, with the comma that parted it from its neighbour.
  mutating func remove(_ key: String) {
    let members = members()
    guard let index = members.firstIndex(where: { $0.key == key }) else { return }
    if index > 0 {
      bytes.removeSubrange(members[index - 1].value.upperBound..<members[index].value.upperBound)
    } else {
      let end = members.count > 1 ? members[1].start : members[0].value.upperBound
      bytes.removeSubrange(members[0].start..<end)
    }
  }

  /// Replaces the value of a top-level key.
  mutating func set(_ key: String, _ value: String) {
    guard let member = member(key) else { return }
    bytes.replaceSubrange(member.value, with: value.utf8)
  }

  /// Keys of an object and the JSON text of their values.
  static func members(of text: String) -> [(key: String, value: String)] {
    let config = ConfigurationText(text)
    return config.members().map { ($0.key, String(decoding: config.bytes[$0.value], as: UTF8.self)) }
  }

  /// Replaces text inside the value of a top-level key.
  mutating func replace(_ old: String, with new: String, in key: String) {
    guard let member = member(key), let value = value(of: key) else { return }
    bytes.replaceSubrange(member.value, with: value.replacing(old, with: new).utf8)
  }

  private struct Member {
    let key: String
    /// Of the key's quotation mark.
    let start: Int
    let value: Range<Int>
  }

  private func member(_ key: String) -> Member? { members().first { $0.key == key } }

  /// Members of the object, by nothing but quotation marks, brackets, colons and commas.
  private func members() -> [Member] {
    var members: [Member] = []
    var (depth, index) = (0, 0)
    var (key, valueStart): (Range<Int>?, Int?)
    func close(at end: Int) {
      guard let name = key, let start = valueStart else { return }
      let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
      let value = start..<end
      let first = value.first { !blanks.contains(bytes[$0]) } ?? start
      let last = value.last { !blanks.contains(bytes[$0]) } ?? start
      members.append(
        Member(key: String(decoding: bytes[name], as: UTF8.self), start: name.lowerBound - 1, value: first..<last + 1))
      (key, valueStart) = (nil, nil)
    }
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""):
        let start = index + 1
        index = start
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
          index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        if depth == 1, key == nil { key = start..<min(index, bytes.count) }
      case UInt8(ascii: ":") where depth == 1: valueStart = index + 1
      case UInt8(ascii: ",") where depth == 1: close(at: index)
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if depth == 0 { close(at: index) }
      default: break
      }
      index += 1
    }
    return members
  }
}
