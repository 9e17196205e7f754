internal import Files
internal import Synchronization

/// What was handed to a writer, noted as it goes, to be compared with what the file holds before it gets its name.
final class HDF5Ledger: Sendable {
  private struct Entries {
    var datasets: [(path: String, checksum: UInt32)] = []
    var attributes: [(object: String, name: String, value: HDF5Attribute)] = []
  }

  private let entries = Mutex(Entries())

  /// Notes a dataset that was written as a whole, with the CRC-32C of its bytes, of text without its padding.
  func add(dataset path: String, checksum: UInt32) {
    entries.withLock { $0.datasets.append((path, checksum)) }
  }

  /// Notes an attribute.
  func add(attribute name: String, _ value: HDF5Attribute, of object: String) {
    entries.withLock { $0.attributes.append((object, name, value)) }
  }

  /// Reads everything that was noted again.
  ///
  /// - Throws: `FileError.unverified` for the first that is another; whatever reading says of a file that is damaged.
  func compare(with file: HDF5Reader) throws(FileError) {
    let entries = entries.withLock { $0 }
    try file.checkSize()
    for (path, checksum) in entries.datasets {
      let found = try file.checksum(path)
      guard found == checksum else {
        throw .unverified(path: file.path, item: path, expected: "CRC-32C \(checksum)", found: "\(found)")
      }
    }
    for (object, name, value) in entries.attributes {
      guard let found = try file.attribute(name, of: object), found.isSame(as: value) else {
        throw .unverified(path: file.path, item: "\(object) attribute \(name)", expected: "its value", found: "another")
      }
    }
  }
}

extension HDF5Attribute {
  /// Equal to the bit, as `NaN` is to itself.
  fileprivate func isSame(as other: HDF5Attribute) -> Bool {
    switch (self, other) {
    case (.real(let a), .real(let b)): a.bitPattern == b.bitPattern
    case (.reals(let a), .reals(let b)): a.map(\.bitPattern) == b.map(\.bitPattern)
    default: self == other
    }
  }
}
