import Foundation

/// A call of the program that counts, as the preloaded library has recorded it.
struct Call: Sendable {
  let name: String
  let number: Int
  /// Bytes asked for; for `open` whether it creates.
  let bytes: Int
  /// Of a renaming `old -> new`.
  let path: String

  /// Whether files are another afterwards.
  var changesFiles: Bool {
    switch name {
    case "write", "truncate", "rename", "link", "unlink", "mkdir", "rmdir": true
    case "open": bytes != 0
    default: false
    }
  }

  /// What can happen at it. Kills are before calls that change files: after one is before the next.
  var actions: [Case.Action] {
    let errors: [Int32] =
      switch name {
      case "open": bytes != 0 ? [ENOSPC, EIO, EINTR] : [EIO, EINTR]
      case "list": [EIO]
      // Half of all calls are reads: each other one is interrupted, the rest are short.
      case "read": number % 2 == 0 ? [EIO, EINTR] : [EIO]
      case "write": [ENOSPC, EIO, EINTR]
      case "truncate": [EIO, EINTR]
      case "sync": [EIO, ENOSPC, EINTR]
      case "close": [EIO, EINTR]
      case "mmap", "memory": [ENOMEM]
      case "rename": [EIO, ENOSPC]
      case "mkdir": [ENOSPC, EIO]
      default: [EIO]
      }
    var actions = errors.map { Case.Action.error($0) }
    if name == "write" || name == "read" && number % 2 == 1 { actions.append(.short) }
    if ["write", "truncate"].contains(name) || name == "open" && bytes != 0 { actions.append(.full) }
    if name == "write", bytes > 1 { actions.append(.tear) }
    if changesFiles { actions.append(.kill) }
    return actions
  }

  /// Files that are renamed before what was written to them is on disk, or whose new name is not brought there.
  static func unsynced(_ calls: [Call]) -> [String] {
    var found: [String] = []
    for (index, call) in calls.enumerated() where call.name == "rename" {
      let names = call.path.components(separatedBy: " -> ")
      guard names.count == 2 else { continue }
      let (from, to) = (names[0], names[1])
      func last(_ kinds: Set<String>) -> Int? {
        calls[..<index].lastIndex { kinds.contains($0.name) && ($0.path == from || $0.path.hasPrefix(from + "/")) }
      }
      if let written = last(["write", "truncate"]), last(["sync"]) ?? -1 < written {
        found.append("\(to) is renamed before it is synced")
      }
      let folder = (to as NSString).deletingLastPathComponent
      if !calls[index...].contains(where: { $0.name == "sync" && $0.path == folder }) {
        found.append("\(to) is renamed and its folder not synced")
      }
    }
    return found
  }

  /// Reads a trace: its calls, and the paths that copies were kept of, in their order.
  static func read(_ trace: String) -> (calls: [Call], kept: [(copy: String, path: String)]) {
    var calls: [Call] = []
    var kept: [(String, String)] = []
    for line in trace.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 3)
      guard words.count == 4, let number = Int(words[1]), let bytes = Int(words[2]) else { continue }
      if words[0] == "kept" {
        kept.append((String(words[1]), String(words[3])))
      } else {
        calls.append(Call(name: String(words[0]), number: number, bytes: bytes, path: String(words[3])))
      }
    }
    return (calls, kept)
  }
}

/// A fault at one call: `write:17:ENOSPC`.
struct Case: Sendable, Hashable, CustomStringConvertible {
  enum Action: Sendable, Hashable {
    /// The call fails with this errno.
    case error(Int32)
    /// The disk is full from here on.
    case full
    /// Half of what was asked is read or written.
    case short
    /// SIGKILL before the call, after it, or after half of a write.
    case kill, killAfter, tear

    static let errors: [(name: String, code: Int32)] = [
      ("ENOSPC", ENOSPC), ("EIO", EIO), ("EINTR", EINTR), ("ENOMEM", ENOMEM), ("EMFILE", EMFILE), ("EACCES", EACCES),
    ]
    static let words: [(name: String, action: Action)] = [
      ("full", .full), ("short", .short), ("kill", .kill), ("kill-after", .killAfter), ("tear", .tear),
    ]

    init?(_ text: String) {
      if let error = Self.errors.first(where: { $0.name == text }) {
        self = .error(error.code)
      } else if let word = Self.words.first(where: { $0.name == text }) {
        self = word.action
      } else {
        return nil
      }
    }

    var name: String {
      if case .error(let code) = self { return Self.errors.first { $0.code == code }?.name ?? "\(code)" }
      return Self.words.first { $0.action == self }?.name ?? ""
    }

    /// As the preloaded library is told.
    var setting: String {
      if case .error(let code) = self { return "\(code)" }
      return name
    }

    var kills: Bool { [.kill, .killAfter, .tear].contains(self) }

    /// The reason that a person is to be told.
    var reason: String? {
      switch self {
      case .error(let code): String(cString: strerror(code))
      case .full: String(cString: strerror(ENOSPC))
      default: nil
      }
    }
  }

  let call: String
  let number: Int
  let action: Action

  var description: String { "\(call):\(number):\(action.name)" }

  init(_ call: Call, _ action: Action) { (self.call, number, self.action) = (call.name, call.number, action) }

  init?(_ text: String) {
    let words = text.split(separator: ":").map(String.init)
    guard words.count == 3, let number = Int(words[1]), let action = Action(words[2]) else { return nil }
    (call, self.number, self.action) = (words[0], number, action)
  }

  /// What the preloaded library is told.
  var environment: [String: String] {
    ["FAULTS_CALL": call, "FAULTS_NUMBER": "\(number)", "FAULTS_ACTION": action.setting]
  }
}
