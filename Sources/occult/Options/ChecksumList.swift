internal import Files
internal import Formats
import ArgumentParser
import Checkpoint
import Foundation
import Text

/// A list of SHA-256 sums as `sha256sum` writes it: 64 hexadecimal digits, two characters, a name; a file a line.
struct ChecksumList {
  let path: String
  private let sums: [(name: String, sum: String)]

  /// Reads a list.
  ///
  /// - Throws: `FileError`; `ValidationError` naming the first line that is another.
  init(_ path: String) throws {
    self.path = path
    var sums: [(name: String, sum: String)] = []
    for (index, line) in try TextFile.read(path).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.allSatisfy(\.isWhitespace) { continue }
      let sum = line.prefix(64)
      let mark = line.dropFirst(64).prefix(2)
      var name = line.dropFirst(66)
      if name.hasPrefix("./") { name = name.dropFirst(2) }
      guard sum.utf8.count == 64, sum.allSatisfy(\.isHexDigit), mark == "  " || mark == " *", !name.isEmpty,
        !name.split(separator: "/").contains(".."), !name.hasPrefix("/")
      else {
        throw ValidationError(
          "\(path):\(index + 1): expected 64 hexadecimal digits, two spaces and the name of a file in the folder, found "
            + "another line; try 'sha256sum * > \(path)'")
      }
      sums.append((String(name), sum.lowercased()))
    }
    guard !sums.isEmpty else { throw ValidationError("\(path): expected a list of SHA-256 sums, found an empty file") }
    self.sums = sums
  }

  /// Compares a file, or the files of a folder; those that make up the model have to be listed.
  ///
  /// - Returns: How many were compared.
  /// - Throws: `FileError` for a file that is missing; `ValidationError` for one that differs or is not listed.
  func compare(with model: String) throws -> Int {
    var isFolder: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: model, isDirectory: &isFolder)
    let folder = isThere && isFolder.boolValue ? model : (model as NSString).deletingLastPathComponent
    let own = (model as NSString).lastPathComponent
    let names = folder == model ? ModelFiles.verifiable(folder) : [own]
    for name in names where !sums.contains(where: { $0.name == name }) {
      throw ValidationError("\(path): expected a sum of '\(name)', found none; try listing all files of the model")
    }
    let compared = folder == model ? sums : sums.filter { $0.name == own }
    for (name, sum) in compared {
      let file = folder.isEmpty ? name : folder + "/" + name
      let found = try Self.sum(of: file)
      guard found == sum else {
        throw ValidationError(
          "\(file): expected the SHA-256 sum \(sum) as \(path) says, found \(found); try fetching the file again")
      }
    }
    return compared.count
  }

  private static func sum(of path: String) throws -> String {
    let file = try MappedFile(path)
    var (hash, done) = (SHA256(), 0)
    let part = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
    defer { part.deallocate() }
    while done < file.bytes.count {
      let bytes = UnsafeMutableRawBufferPointer(rebasing: part.prefix(file.bytes.count - done))
      try file.read(at: done, into: bytes)
      hash.update(UnsafeRawBufferPointer(bytes))
      done += bytes.count
    }
    return hash.hexadecimal
  }
}
