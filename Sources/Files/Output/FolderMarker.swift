internal import Formats
import Foundation

/// `occult.json`: says that a folder is ours, what it holds, and which writing of it this is.
package struct FolderMarker: Sendable, Equatable {
  /// What the folder holds.
  package let kind: OutputFolder.Kind
  /// A random number in hexadecimal that everything of one writing shares; a folder that is overwritten gets another
  /// one.
  package let identity: String
  /// Name and version of the program that began it.
  package let program: String
  /// Whether the folder was there before it had a marker, so that files in it may lack the identity.
  package let isAdopted: Bool

  package static let format = "occult-folder"
  package static let version = 1

  package init(kind: OutputFolder.Kind, program: String, isAdopted: Bool = false) {
    let number = UInt64.random(in: 1 ... .max)
    let digits = String(number, radix: 16)
    identity = String(repeating: "0", count: 16 - digits.count) + digits
    (self.kind, self.program, self.isAdopted) = (kind, program, isAdopted)
  }

  /// Reads the marker of a folder.
  ///
  /// - Returns: nil where there is none.
  /// - Throws: `FileError` where a file of that name is something else.
  package init?(in folder: String) throws(FileError) {
    let path = folder + "/" + OutputFolder.markerName
    var status = stat()
    if lstat(path, &status) != 0 { return nil }
    func refuse(_ item: String, _ expected: String, _ found: String) -> FileError {
      .invalid(path: path, item: item, expected: expected, found: found)
    }
    let root = try JSONValue.parse(try TextFile.read(path), file: path)
    guard root["format"] == .string(Self.format) else { throw refuse("format", "'\(Self.format)'", "something else") }
    guard root["version"] == .integer(Self.version) else {
      throw refuse("version", "\(Self.version)", "that of another version of this program")
    }
    guard case .string(let kindName)? = root["kind"], let kind = OutputFolder.Kind(rawValue: kindName) else {
      throw refuse("kind", "one of \(OutputFolder.Kind.allCases.map(\.rawValue))", "something else")
    }
    guard case .string(let identity)? = root["identity"], !identity.isEmpty, identity.count <= 64,
      identity.allSatisfy(\.isHexDigit)
    else { throw refuse("identity", "hexadecimal digits", "something else") }
    guard case .string(let program)? = root["created_by"] else { throw refuse("created_by", "text", "something else") }
    (self.kind, self.identity, self.program) = (kind, identity, program)
    isAdopted = root["adopted"] == .bool(true)
  }

  /// Writes the marker, in one piece.
  package func write(in folder: String) throws(FileError) {
    let adopted = isAdopted ? ", \"adopted\": true" : ""
    try PendingFile.write(
      "{\"format\": \"\(Self.format)\", \"version\": \(Self.version), \"kind\": \"\(kind.rawValue)\", "
        + "\"identity\": \"\(identity)\", \"created_by\": \(JSONValue.quoted(program))\(adopted)}\n",
      to: folder + "/" + OutputFolder.markerName)
  }
}
