/// The control groups that limit this process's memory: its own and all above it, of either version.
///
/// Version 2 has `memory.max`, above which a process is killed, and `memory.high`, above which it is slowed down until
/// it hardly moves; the lower counts, since memory that trains cannot be taken back. Version 1 has
/// `memory.limit_in_bytes`, where a number near 2⁶³ stands for no limit. Both may be mounted at once, each for some of
/// the controllers.
struct ControlGroups {
  /// Every limit that was found.
  let limits: [MemoryLimit]

  /// Finds them.
  ///
  /// - Parameters:
  ///   - cgroup: `/proc/self/cgroup`: a line `number:controllers:path` for every hierarchy, `0::path` for version 2.
  ///   - mounts: `/proc/self/mountinfo`.
  ///   - read: A file's text; nil where there is none.
  init(cgroup: String, mounts: String, read: (String) -> String?) {
    let own = cgroup.split(separator: "\n")
      .map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }.filter { $0.count == 3 }
    var limits: [MemoryLimit] = []
    for mount in mounts.split(separator: "\n").compactMap(Mount.init) {
      let line = own.first { line in
        mount.isUnified ? line[0] == "0" : line[1].split(separator: ",").contains("memory")
      }
      guard let line else { continue }
      let names = mount.isUnified ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"]
      for folder in mount.folders(of: String(line[2])) {
        for text in names.compactMap({ read(folder + "/" + $0) }) {
          guard let bytes = Int(text.prefix { !$0.isNewline }), bytes < Self.none else { continue }
          limits.append(MemoryLimit(bytes: bytes, source: .controlGroup(path: folder)))
        }
      }
    }
    self.limits = limits
  }

  /// From here on version 1 means no limit: 2⁶³ − 1 rounded down to a page, which may have 64 KiB, is above it.
  private static let none = 1 << 62

  /// A hierarchy as it is mounted.
  private struct Mount {
    /// The group that is seen at the mount point.
    let root: String
    /// Where it is mounted.
    let point: String
    /// Whether it is of version 2.
    let isUnified: Bool

    /// A line of mountinfo that mounts control groups of memory:
    /// `36 25 0:31 /root /point options - type source options`.
    init?(_ line: Substring) {
      let parts = line.split(separator: " ")
      guard let dash = parts.firstIndex(of: "-"), dash > 4, parts.count > dash + 1 else { return nil }
      isUnified = parts[dash + 1] == "cgroup2"
      let isMemory = parts[dash + 1] == "cgroup" && parts[parts.count - 1].split(separator: ",").contains("memory")
      guard isUnified || isMemory else { return nil }
      (root, point) = (Self.plain(parts[3]), Self.plain(parts[4]))
    }

    /// A name without the escapes that the kernel writes for blanks and line ends: `\040`.
    private static func plain(_ name: Substring) -> String {
      var (bytes, rest): ([UInt8], Substring.UTF8View.SubSequence) = ([], name.utf8[...])
      while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "\\"), rest.count >= 3, let code = UInt8(String(Substring(rest.prefix(3))), radix: 8) {
          bytes.append(code)
          rest = rest.dropFirst(3)
        } else {
          bytes.append(byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }

    /// Folders of a group and of all above it, as far as they are seen here, the topmost first.
    ///
    /// In a container the group's path may be that of the host, which the mount shows from the container's group on, or
    /// not at all: then the mount's own root is the group.
    func folders(of path: String) -> [String] {
      let parts = path.split(separator: "/")
      let top = root.split(separator: "/")
      // A path with ".." lies outside of the namespace, and so does one that is not below the root of the mount.
      guard !parts.contains(".."), parts.starts(with: top) else { return [point] }
      return parts.dropFirst(top.count).reduce(into: [point]) { folders, part in
        folders.append((folders[folders.count - 1] == "/" ? "" : folders[folders.count - 1]) + "/" + part)
      }
    }
  }
}
