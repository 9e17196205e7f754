internal import Foundation

/// A number of bytes that may be used, and what sets it.
public struct MemoryLimit: Sendable, Equatable {
  /// What sets it.
  public enum Source: Sendable, Equatable {
    /// Main memory.
    case machine
    /// A control group, by its folder: `/sys/fs/cgroup/user.slice`.
    case controlGroup(path: String)
    /// The limit on addresses, which a shell sets by `ulimit -v`.
    case addresses
    /// The limit on writable memory, which a shell sets by `ulimit -d`.
    case data

    /// `this machine`, `the control group /sys/fs/cgroup/a`, `'ulimit -v'`.
    var name: String {
      switch self {
      case .machine: "this machine"
      case .controlGroup(let path): "the control group \(path)"
      case .addresses: "'ulimit -v'"
      case .data: "'ulimit -d'"
      }
    }

    /// Where a number of bytes comes from, in words.
    public var words: String {
      switch self {
      case .machine, .controlGroup: "of \(name)"
      case .addresses, .data: "what \(name) leaves"
      }
    }
  }

  /// How many.
  public let bytes: Int
  /// What sets it.
  public let source: Source

  /// A limit; see the properties.
  public init(bytes: Int, source: Source) {
    self.bytes = bytes
    self.source = source
  }
}

/// Every limit on the memory of this process.
///
/// All processes of a host share its memory and, mostly, a control group; limits on addresses are each process's own.
public struct MemoryLimits: Sendable, Equatable {
  /// The least of main memory and of the control groups that the process is in.
  public let host: MemoryLimit
  /// What the process's own limits leave to what it computes with; nil where there are none.
  public let process: MemoryLimit?

  /// Limits; see the properties.
  public init(host: MemoryLimit, process: MemoryLimit? = nil) {
    self.host = host
    self.process = process
  }

  /// The lower of both.
  public var least: MemoryLimit { process.map { $0.bytes < host.bytes ? $0 : host } ?? host }

  /// Reads the limits as a process with this root folder sees them.
  ///
  /// Of the limit on addresses (`RLIMIT_AS`, and `RLIMIT_DATA` for those that are private and writable) the process has
  /// taken a part for what is not memory in use: libraries, stacks, heaps that are reserved, buffers that wait. What is
  /// left counts, together with the memory that is in use already.
  ///
  /// - Parameters:
  ///   - root: The folder that `/proc` and `/sys` are in; tests give their own.
  ///   - physical: Bytes of main memory.
  /// - Returns: What was found; a file that is not there sets no limit.
  public static func read(root: String = "", physical: Int) -> MemoryLimits {
    func text(_ path: String) -> String {
      (FileManager.default.contents(atPath: root + path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
    let groups = ControlGroups(
      cgroup: text("/proc/self/cgroup"), mounts: text("/proc/self/mountinfo")
    ) { FileManager.default.contents(atPath: root + $0).map { String(decoding: $0, as: UTF8.self) } }
    let host = ([MemoryLimit(bytes: physical, source: .machine)] + groups.limits).min { $0.bytes < $1.bytes }
    let (limits, status) = (text("/proc/self/limits"), text("/proc/self/status"))
    func left(_ name: String, taken: String, used: String, _ source: MemoryLimit.Source) -> MemoryLimit? {
      guard let soft = field(limits, name).flatMap({ Int($0) }) else { return nil }
      let idle = max(0, kilobytes(status, taken) - kilobytes(status, used))
      return MemoryLimit(bytes: max(0, soft - idle), source: source)
    }
    let own = [
      left("Max address space", taken: "VmSize:", used: "VmRSS:", .addresses),
      left("Max data size", taken: "VmData:", used: "RssAnon:", .data),
    ]
    return MemoryLimits(
      host: host ?? MemoryLimit(bytes: physical, source: .machine),
      process: own.compactMap(\.self).min { $0.bytes < $1.bytes })
  }

  /// The first word behind a name at the beginning of a line; `unlimited` is no number.
  private static func field(_ text: String, _ name: String) -> Substring? {
    text.split(separator: "\n").first { $0.hasPrefix(name) }?.dropFirst(name.count).split { $0 == " " || $0 == "\t" }
      .first
  }

  private static func kilobytes(_ status: String, _ name: String) -> Int {
    field(status, name).flatMap { Int($0) }.map { $0 << 10 } ?? 0
  }
}
