internal import Formats
import Foundation

/// `occult.json` of a folder that was exported: the marker that every folder of ours has, and what belongs to the
/// folder, with size and CRC-32C of every file. Safetensors files have no checksums of their own.
///
/// It is the last file of a folder to be written and the same text for the same contents, so its identity is a check of
/// them. A manifest that is not word for word what would be written is damaged.
package struct FolderManifest: Equatable, Sendable {
  /// One file of the folder.
  package struct File: Equatable, Sendable {
    package let name: String
    package let byteCount: Int
    /// CRC-32C of all its bytes.
    package let checksum: UInt32

    package init(name: String, byteCount: Int, checksum: UInt32) {
      (self.name, self.byteCount, self.checksum) = (name, byteCount, checksum)
    }

    /// A file that is written as a whole.
    package init(_ name: String, _ bytes: UnsafeRawBufferPointer) {
      self.init(name: name, byteCount: bytes.count, checksum: CRC32C.checksum(bytes))
    }
  }

  /// Name and version of the program that wrote the folder.
  package let program: String
  /// All files but the manifest, by name.
  package let files: [File]

  package init(program: String, files: [File]) {
    (self.program, self.files) = (program, files.sorted { $0.name < $1.name })
  }

  /// The file's contents.
  package var text: String {
    let lines = files.map {
      "    {\"name\": \(JSONValue.quoted($0.name)), \"bytes\": \($0.byteCount), \"crc32c\": \($0.checksum)}"
    }
    let list = lines.joined(separator: ",\n")
    let digits = String(CRC32C.checksum((program + list).utf8), radix: 16)
    return """
      {
        "format": "\(FolderMarker.format)",
        "version": \(FolderMarker.version),
        "kind": "\(OutputFolder.Kind.export.rawValue)",
        "identity": "\(String(repeating: "0", count: 8 - digits.count) + digits)",
        "created_by": \(JSONValue.quoted(program)),
        "files": [
      \(list)
        ]
      }

      """
  }

  /// Reads the manifest of a folder.
  ///
  /// - Returns: nil where there is none, as in folders of other programs.
  /// - Throws: `FileError` where it is damaged, or the marker of a folder of another kind.
  package init?(in folder: String) throws(FileError) {
    guard let marker = try FolderMarker(in: folder) else { return nil }
    let path = folder + "/" + OutputFolder.markerName
    let text = try TextFile.read(path)
    let root = try JSONValue.parse(text, file: path, item: "files")
    guard marker.kind == .export, case .array(let entries)? = root["files"] else {
      throw .invalid(path: path, item: "kind", expected: "an exported model", found: marker.kind.words)
    }
    var files: [File] = []
    for entry in entries {
      guard case .string(let name)? = entry["name"], case .integer(let byteCount)? = entry["bytes"],
        case .integer(let checksum)? = entry["crc32c"], let checksum = UInt32(exactly: checksum), byteCount >= 0,
        !name.isEmpty, !name.contains("/"), name != ".", name != ".."
      else { throw .invalid(path: path, item: "files", expected: "name, bytes and crc32c of files", found: "others") }
      files.append(File(name: name, byteCount: byteCount, checksum: checksum))
    }
    self.init(program: marker.program, files: files)
    guard self.text == text else {
      throw .invalid(path: path, item: nil, expected: "the text that was written", found: "a changed one")
    }
  }

  /// The names of the folder.
  package var layout: FolderLayout { FolderLayout(files.map(\.name)) }

  /// Whether a reader of a folder would take a file of this name for weights or their index.
  package static func isWeights(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") || name.hasSuffix(".safetensors.index.json")
  }

  /// Whether all files are in the folder, as long as they were, and no weights besides; nothing is read.
  package func check(_ folder: String) throws(FileError) {
    for file in files {
      var status = stat()
      guard stat(folder + "/" + file.name, &status) == 0 else {
        throw .manifest(path: folder, expected: "'\(file.name)'", found: "no such file")
      }
      guard Int(status.st_size) == file.byteCount else {
        throw .manifest(
          path: folder, expected: "\(file.byteCount) bytes in '\(file.name)'", found: "\(status.st_size)")
      }
    }
    let known = Set(files.map(\.name))
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names.sorted() where Self.isWeights(name) && !known.contains(name) {
      throw .manifest(path: folder, expected: "no weights but its own", found: "'\(name)' besides")
    }
  }

  /// Reads all files and compares their checksums.
  ///
  /// - Parameters:
  ///   - folder: Where they are.
  ///   - progress: Told the bytes of every part that was read.
  /// - Throws: `FileError` for the first that is missing or another.
  package func verify(_ folder: String, progress: (Int) -> Void = { _ in }) throws(FileError) {
    try check(folder)
    let memory = PageMemory(16 << 20)
    for file in files {
      let map = try MappedFile(folder + "/" + file.name)
      var (crc, done) = (CRC32C(), 0)
      while done < map.bytes.count {
        let part = memory.prefix(min(memory.prefix().count, map.bytes.count - done))
        try map.read(at: done, into: part)
        crc.update(UnsafeRawBufferPointer(part))
        done += part.count
        progress(part.count)
      }
      guard crc.value == file.checksum else {
        throw .manifest(
          path: folder, expected: "CRC-32C \(file.checksum) of '\(file.name)'", found: "\(crc.value)")
      }
    }
  }
}
