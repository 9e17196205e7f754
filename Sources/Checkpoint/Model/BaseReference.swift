public import Files
internal import Foundation
public import Models

/// The base model that a partial checkpoint is read over: which one it was, and which roles are not taken from it.
///
/// A run that trains little need not store the rest in every `step-N.h5`. Size is compared when such a file is opened,
/// the checksum before the first weight of the base is read.
public struct BaseReference: Sendable, Equatable {
  /// Absolute path of the base model, a checkpoint or a hub folder.
  public let path: String
  /// Bytes of the checkpoint, or of the folder's safetensors files.
  public let bytes: Int
  /// ``ModelFiles/checksum()`` of the base model.
  public let checksum: UInt32
  /// Roles that the partial checkpoint holds itself, all parameters of each.
  public let stored: Set<Role>
}

extension BaseReference {
  /// Refers to a model that is complete itself; reads all of its weights for the checksum.
  ///
  /// - Parameters:
  ///   - files: The base model.
  ///   - stored: Roles that the partial checkpoint holds itself.
  /// - Throws: ``FileError`` when the base cannot be read.
  public init(_ files: ModelFiles, stored: Set<Role>) throws(FileError) {
    precondition(files.base == nil, "\(files.path) is partial and cannot be a base")
    let path = URL(fileURLWithPath: files.path).standardizedFileURL.path
    self.init(path: path, bytes: Self.weightBytes(path) ?? 0, checksum: try files.checksum(), stored: stored)
  }

  /// Reads `/base`; nil where there is none, in a complete checkpoint.
  init?(_ file: HDF5Reader) throws(FileError) {
    guard try file.contains("base") else { return nil }
    let names = try file.string(attribute: "stored", of: "base").split(separator: " ").map(String.init)
    var roles: Set<Role> = []
    for name in names {
      guard let role = Role(rawValue: name) else {
        throw .invalid(
          path: file.path, item: "/base stored",
          expected: "some of \(Role.allCases.map(\.rawValue).joined(separator: ", "))", found: "'\(name)'")
      }
      roles.insert(role)
    }
    self.init(
      path: try file.string(attribute: "path", of: "base"), bytes: try file.integer(attribute: "bytes", of: "base"),
      checksum: UInt32(truncatingIfNeeded: try file.integer(attribute: "checksum", of: "base")), stored: roles)
  }

  /// Writes `/base`.
  func write(to file: borrowing HDF5Writer) throws(FileError) {
    try file.makeGroup("base")
    try file.setAttribute("path", .string(path), of: "base")
    try file.setAttribute("bytes", .integer(bytes), of: "base")
    try file.setAttribute("checksum", .integer(Int(checksum)), of: "base")
    try file.setAttribute("stored", .string(roles.joined(separator: " ")), of: "base")
  }

  /// The same model at another place.
  func moved(to path: String) -> BaseReference {
    BaseReference(
      path: URL(fileURLWithPath: path).standardizedFileURL.path, bytes: bytes, checksum: checksum, stored: stored)
  }

  /// Names of the stored roles in the order of `Role`.
  var roles: [String] { Role.allCases.filter(stored.contains).map(\.rawValue) }

  /// The checksum as it is written in messages.
  static func words(_ checksum: UInt32) -> String {
    let digits = String(checksum, radix: 16)
    return "CRC-32C " + String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// Bytes of a file, or of a folder's safetensors files, behind symbolic links too; nil where nothing is.
  static func weightBytes(_ path: String) -> Int? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    guard status.st_mode & S_IFMT == S_IFDIR else { return Int(status.st_size) }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0.hasSuffix(".safetensors") }.reduce(0) { sum, name in
      stat((path as NSString).appendingPathComponent(name), &status) == 0 ? sum + Int(status.st_size) : sum
    }
  }
}
