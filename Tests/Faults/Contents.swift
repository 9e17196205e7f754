import Checkpoint
import Foundation

/// What is in a file, without what another run may write otherwise: time, identity, seconds, memory.
struct Contents: Equatable {
  let normal: Data

  static let leftOut: Set<String> = [
    // summary.json, comparison.json, results of evaluations
    "seconds", "peak_memory", "peakMemory", "rank_memory", "sent_bytes", "date", "total_evaluation_time_seconds",
    "start_time",
    "end_time", "time",
    // metrics.jsonl
    "tokens_per_second",
    // run folders
    "identity",
  ]

  /// Reads a file; `name` is what it is called where it belongs, if it lies elsewhere.
  init(_ path: String, as name: String? = nil) {
    let bytes = FileManager.default.contents(atPath: path) ?? Data()
    let isCheckpoint = (name ?? path).hasSuffix(".h5")
    normal = isCheckpoint ? Self.checkpoint(path) ?? bytes : Self.normal(bytes, name ?? path)
  }

  /// Where two first differ, with what stands around it.
  func difference(from other: Contents) -> String {
    let index =
      zip(normal, other.normal).enumerated().first { $0.element.0 != $0.element.1 }?.offset
      ?? min(normal.count, other.normal.count)
    func around(_ data: Data) -> String {
      let part = data.dropFirst(max(0, index - 40)).prefix(80)
      return String(decoding: part.map { (32..<127).contains($0) ? $0 : UInt8(ascii: ".") }, as: UTF8.self)
    }
    return "byte \(index): '\(around(normal))' for '\(around(other.normal))'"
  }

  static func normal(_ bytes: Data, _ path: String) -> Data {
    switch URL(fileURLWithPath: path).pathExtension {
    case "json": json(bytes) ?? bytes
    case "jsonl": Data(lines(bytes).flatMap { Array((json($0) ?? $0) + Data("\n".utf8)) })
    case "yaml": Data(lines(bytes).filter { !isLeftOut($0) }.flatMap { Array($0 + Data("\n".utf8)) })
    case "html", "md": text(bytes)
    default: bytes
    }
  }

  static func lines(_ bytes: Data) -> [Data] { bytes.split(separator: UInt8(ascii: "\n")).map { Data($0) } }

  private static func isLeftOut(_ line: Data) -> Bool {
    let text = String(decoding: line, as: UTF8.self)
    return text.hasPrefix("# run ") || leftOut.contains { text.hasPrefix($0 + ":") }
  }

  private static func json(_ bytes: Data) -> Data? {
    guard let value = try? JSONSerialization.jsonObject(with: bytes, options: .fragmentsAllowed) else { return nil }
    return try? JSONSerialization.data(withJSONObject: without(value), options: [.sortedKeys, .fragmentsAllowed])
  }

  private static func without(_ value: Any) -> Any {
    switch value {
    case let object as [String: Any]:
      // `run` is an identity where it is text, and a part of a recipe where it is not.
      object.filter { !leftOut.contains($0.key) && !($0.key == "run" && $0.value is String) }.mapValues { without($0) }
    case let list as [Any]: list.map { without($0) }
    default: value
    }
  }

  /// Reports tell how long it took, and when.
  private static func text(_ bytes: Data) -> Data {
    let text = String(decoding: bytes, as: UTF8.self)
    return Data(
      text.replacing(/[0-9.]+ (?:s|min|h|seconds|minutes|hours)\b/, with: "TIME").replacing(time, with: "TIME")
        .utf8)
  }

  /// Arrays and attributes of an HDF5 file; nil where it cannot be read.
  private static func checkpoint(_ path: String) -> Data? {
    guard let file = try? HDF5Reader(path) else { return nil }
    do {
      var normal = Data()
      let (groups, datasets) = (try file.groups(), try file.datasets())
      for object in ["/"] + groups + datasets {
        for (name, value) in try file.attributes(of: object) where name != "run" && !leftOut.contains(name) {
          normal += Data("\(object) \(name) \(Self.recipe(value))\n".utf8)
        }
      }
      for dataset in datasets where !leftOut.contains((dataset as NSString).lastPathComponent) {
        if let text = try? file.string(dataset) {
          normal += Data("\(dataset) \(recipe(.string(text)))\n".utf8)
          continue
        }
        let (info, bytes) = try file.bytes(dataset)
        normal += Data("\(dataset) \(info.type) \(info.shape)\n".utf8) + bytes
      }
      return normal
    } catch {
      return nil
    }
  }

  /// A recipe in a checkpoint, without the identity of its run.
  private static func recipe(_ value: HDF5Attribute) -> String {
    guard case .string(let text) = value else { return "\(value)" }
    return text.split(separator: "\n").filter { !isLeftOut(Data($0.utf8)) }.joined(separator: "\n")
  }

  /// Moments in names and texts.
  static var time: Regex<Substring> { /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}[:\-][0-9]{2}[:\-][0-9.]+Z?/ }
}
