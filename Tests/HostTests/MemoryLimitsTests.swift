import Foundation
import Testing

@testable import Host

/// Limits as made `/proc` and `/sys` trees show them.
@Suite final class MemoryLimitsTests {
  private let root = NSTemporaryDirectory() + "/occult-limits-" + UUID().uuidString
  private static let machine = 1 << 34

  deinit { try? FileManager.default.removeItem(atPath: root) }

  /// Writes files below the root and reads the limits.
  private func limits(_ files: [String: String]) throws -> MemoryLimits {
    for (path, text) in files {
      let file = root + path
      try FileManager.default.createDirectory(
        atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try text.write(toFile: file, atomically: false, encoding: .utf8)
    }
    return .read(root: root, physical: Self.machine)
  }

  private static let unified = "25 30 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
  private static let memory = "32 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
  private static let cpu = "33 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"

  @Test func nothingIsTheMachine() throws {
    #expect(try limits([:]) == MemoryLimits(host: .init(bytes: Self.machine, source: .machine)))
    let most = [
      "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.unified, "/sys/fs/cgroup/memory.max": "max\n",
    ]
    #expect(try limits(most).host.source == .machine)
  }

  /// Version 2: the group's own limit or that of any group above it, whichever is lowest; `memory.high` counts like a
  /// limit.
  @Test(
    arguments: [
      (["": "max", "/a": "max", "/a/b": "3000"], [:], "/a/b", 3000),
      (["/a": "2000", "/a/b": "3000"], [:], "/a", 2000),
      (["": "1000", "/a": "2000", "/a/b": "max"], [:], "", 1000),
      (["/a/b": "3000"], ["/a": "2500", "/a/b": "max"], "/a", 2500),
    ] as [([String: String], [String: String], String, Int)])
  func version2(max: [String: String], high: [String: String], folder: String, bytes: Int) throws {
    var files = ["/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": Self.cpu + Self.unified]
    for (group, text) in max { files["/sys/fs/cgroup\(group)/memory.max"] = text + "\n" }
    for (group, text) in high { files["/sys/fs/cgroup\(group)/memory.high"] = text + "\n" }
    #expect(try limits(files).host == .init(bytes: bytes, source: .controlGroup(path: "/sys/fs/cgroup" + folder)))
  }

  /// Version 1 says "none" with a number near 2⁶³; other controllers have their own paths.
  @Test func version1() throws {
    var files = [
      "/proc/self/cgroup": "9:name=systemd:/\n4:cpu:/elsewhere\n3:cpuset,memory:/job/7\n",
      "/proc/self/mountinfo": Self.cpu + Self.memory,
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes": "9223372036854710272\n",
      "/sys/fs/cgroup/memory/elsewhere/memory.limit_in_bytes": "5\n",
    ]
    #expect(try limits(files).host.source == .machine)
    files["/sys/fs/cgroup/memory/job/memory.limit_in_bytes"] = "536870912\n"
    #expect(
      try limits(files).host == .init(bytes: 512 << 20, source: .controlGroup(path: "/sys/fs/cgroup/memory/job")))
  }

  /// Both versions at once, as older systems mount them: memory is with the first, or with the second.
  @Test func hybrid() throws {
    let unified = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    let files = [
      "/proc/self/cgroup": "4:memory:/job\n0::/job\n", "/proc/self/mountinfo": Self.cpu + Self.memory + unified,
      "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4000\n",
      "/sys/fs/cgroup/unified/job/cgroup.procs": "1\n",
    ]
    #expect(try limits(files).host == .init(bytes: 4000, source: .controlGroup(path: "/sys/fs/cgroup/memory/job")))
    #expect(
      try limits(["/sys/fs/cgroup/unified/job/memory.max": "3000\n"]).host
        == .init(bytes: 3000, source: .controlGroup(path: "/sys/fs/cgroup/unified/job")))
  }

  /// In a container the path is the host's and the mount begins at the container's group, or the path leads out of the
  /// namespace; names of mounts have their blanks escaped.
  @Test func containers() throws {
    let mount = "32 31 0:32 /docker/f00 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    let place = "/sys/fs/cgroup/memory"
    var files = [
      "/proc/self/cgroup": "4:memory:/docker/f00/inner\n", "/proc/self/mountinfo": mount,
      place + "/memory.limit_in_bytes": "4000\n", place + "/inner/memory.limit_in_bytes": "3000\n",
    ]
    #expect(try limits(files).host == .init(bytes: 3000, source: .controlGroup(path: place + "/inner")))
    for path in ["/docker/other", "/", "/../../sibling"] {
      files["/proc/self/cgroup"] = "4:memory:\(path)\n"
      #expect(try limits(files).host == .init(bytes: 4000, source: .controlGroup(path: place)), "\(path)")
    }
    let spaced = [
      "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": "25 30 0:23 / /my\\040groups rw - cgroup2 none rw\n",
      "/my groups/memory.max": "77\n",
    ]
    #expect(try limits(spaced).host == .init(bytes: 77, source: .controlGroup(path: "/my groups")))
  }

  /// Text that is no table and numbers that are none set no limit.
  @Test func foreignText() throws {
    for text in ["", "\n\n", "0:", "::::", "4:memory", "- - - -", "1 2 3 4 5 - cgroup2"] {
      let files = [
        "/proc/self/cgroup": text, "/proc/self/mountinfo": text, "/proc/self/limits": text, "/proc/self/status": text,
      ]
      #expect(try limits(files) == MemoryLimits(host: .init(bytes: Self.machine, source: .machine)))
    }
    let odd = [
      "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.unified,
      "/sys/fs/cgroup/memory.max": "99999999999999999999\n", "/sys/fs/cgroup/memory.high": "much\n",
    ]
    #expect(try limits(odd).host.source == .machine)
  }

  /// Of addresses and of writable memory counts what the program has not taken for other things than memory in use.
  @Test func ulimits() throws {
    func table(_ data: String, _ addresses: String) -> String {
      "Limit                     Soft Limit           Hard Limit           Units     \n"
        + "Max data size             \(data)            unlimited            bytes     \n"
        + "Max address space         \(addresses)           unlimited            bytes     \n"
    }
    let status = "Name:\tocc\nVmSize:\t  500 kB\nVmRSS:\t  100 kB\nVmData:\t  300 kB\nRssAnon:\t   50 kB\n"
    var files = ["/proc/self/limits": table("unlimited", "1024000"), "/proc/self/status": status]
    #expect(try limits(files).process == .init(bytes: 1_024_000 - 400 * 1024, source: .addresses))
    files["/proc/self/limits"] = table("512000", "1024000")
    #expect(try limits(files).process == .init(bytes: 512_000 - 250 * 1024, source: .data))
    #expect(try limits(files).least.source == .data)
    files["/proc/self/limits"] = table("unlimited", "1000")
    #expect(try limits(files).process == .init(bytes: 0, source: .addresses))
    files["/proc/self/limits"] = table("unlimited", "unlimited")
    #expect(try limits(files).process == nil)
  }

  /// This machine: something is found, and it is no more than main memory.
  @Test func here() {
    let limits = MemoryLimits.read(physical: Int(ProcessInfo.processInfo.physicalMemory))
    #expect(limits.host.bytes > 1 << 26 && limits.host.bytes <= Int(ProcessInfo.processInfo.physicalMemory))
  }
}
