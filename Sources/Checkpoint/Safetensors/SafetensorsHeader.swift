internal import Files
internal import Formats

/// The checked header of one safetensors file.
///
///     8 bytes  N, little-endian          N bytes  JSON          the rest: data
///     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, "__metadata__": {…}}
///
/// Offsets count from the end of the header. Together the tensors cover the data exactly: no hole, no overlap, no rest.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    /// `nil` for a type of the format that we do not read, as 8-bit floats.
    let type: ElementType?
    let typeName: String
    let shape: [Int]
    /// Bytes within the file.
    let range: Range<Int>
  }

  let entries: [Entry]
  let metadata: [String: String]

  /// Readers of the format refuse longer headers.
  static let maximumBytes = 100_000_000

  /// Bits per element of every type of the format.
  private static let bits = [
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32,
    "U16": 16, "U8": 8, "BOOL": 8, "C64": 64, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
  ]

  init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
    guard bytes.count >= 9, bytes[8] == UInt8(ascii: "{") else {
      throw .foreign(path: path, expected: "a safetensors file", found: describeForeignBytes(bytes))
    }
    let declared = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard declared <= UInt64(Self.maximumBytes) else {
      throw .invalid(
        path: path, item: "header", expected: "at most \(Self.maximumBytes) bytes", found: "\(declared)")
    }
    let start = 8 + Int(declared)
    guard start <= bytes.count else { throw .truncated(path: path, expectedBytes: start, foundBytes: bytes.count) }

    let json = try JSONValue.parse(Array(bytes[8..<start]), file: path, item: nil, start: 8)
    guard case .object(let members) = json else {
      throw .invalid(path: path, item: "header", expected: "a JSON object", found: "something else")
    }
    var metadata: [String: String] = [:]
    var entries: [Entry] = []
    for member in members {
      let (name, value) = (member.key, member.value)
      if name == "__metadata__" {
        metadata = try Self.metadata(value, path)
      } else {
        entries.append(try Self.entry(name, value, dataStart: start, path))
      }
    }
    try Self.checkCoverage(entries, start..<bytes.count, path)
    (self.entries, self.metadata) = (entries, metadata)
  }

  private static func metadata(_ value: JSONValue, _ path: String) throws(FileError) -> [String: String] {
    var result: [String: String] = [:]
    guard case .object(let members) = value else {
      throw .invalid(path: path, item: "__metadata__", expected: "a JSON object", found: "something else")
    }
    for member in members {
      let (key, value) = (member.key, member.value)
      guard case .string(let text) = value else {
        throw .invalid(path: path, item: "__metadata__ \(key)", expected: "a text", found: "something else")
      }
      result[key] = text
    }
    return result
  }

  private static let keys = KnownKeys(used: ["dtype", "shape", "data_offsets"], origin: "the format safetensors")

  private static func entry(
    _ name: String, _ value: JSONValue, dataStart: Int, _ path: String
  ) throws(FileError) -> Entry {
    try keys.check(value, path + " " + name)
    guard case .string(let typeName)? = value["dtype"], let shape = integers(value["shape"]),
      let offsets = integers(value["data_offsets"]), offsets.count == 2
    else {
      throw .invalid(
        path: path, item: name, expected: "dtype, shape and two data_offsets", found: "something else")
    }
    guard let bits = bits[typeName] else {
      throw .invalid(path: path, item: name, expected: "a dtype of the format", found: "'\(typeName)'")
    }
    guard let bitCount = checkedProduct(shape + [bits]), bitCount % 8 == 0, offsets[0] <= offsets[1],
      offsets[1] - offsets[0] == bitCount / 8
    else {
      throw .invalid(
        path: path, item: name, expected: "data_offsets that fit \(typeName) \(shape)", found: "\(offsets)")
    }
    let (end, overflow) = dataStart.addingReportingOverflow(offsets[1])
    guard !overflow else {
      throw .invalid(path: path, item: name, expected: "offsets within a file", found: "\(offsets)")
    }
    return Entry(
      name: name, type: ElementType(rawValue: typeName), typeName: typeName, shape: shape,
      range: dataStart + offsets[0]..<end)
  }

  /// Non-negative integers, as all numbers of the format are.
  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard case .array(let elements)? = value else { return nil }
    var result: [Int] = []
    for element in elements {
      guard case .integer(let integer) = element, integer >= 0 else { return nil }
      result.append(integer)
    }
    return result
  }

  private static func checkCoverage(_ entries: [Entry], _ data: Range<Int>, _ path: String) throws(FileError) {
    var end = data.lowerBound
    for entry in entries.sorted(by: {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }) {
      guard entry.range.lowerBound == end else {
        let found = entry.range.lowerBound < end ? "an overlap with the tensor before it" : "a hole before it"
        throw .invalid(
          path: path, item: entry.name, expected: "data from byte \(end) on",
          found: "\(found), data from byte \(entry.range.lowerBound) on")
      }
      end = entry.range.upperBound
    }
    if end > data.upperBound { throw .truncated(path: path, expectedBytes: end, foundBytes: data.upperBound) }
    if end < data.upperBound {
      throw .invalid(
        path: path, item: nil, expected: "\(end) bytes", found: "\(data.upperBound - end) more that no tensor covers")
    }
  }
}
