public import Foundation

/// An array of numbers in NumPy's `.npy` format, versions 1 to 3: header checked, elements read in place.
///
/// - Source: NumPy, `numpy.lib.format`.
public struct NumPyArray: Sendable {
  /// First bytes of a file.
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Type of the elements, by NumPy's name without byte order.
  public enum Element: String, Sendable, CaseIterable {
    case int8 = "i1"
    case uint8 = "u1"
    case int16 = "i2"
    case uint16 = "u2"
    case int32 = "i4"
    case uint32 = "u4"
    case int64 = "i8"
    case uint64 = "u8"
    case float32 = "f4"
    case float64 = "f8"

    /// Bytes of one.
    var size: Int { Int(rawValue.suffix(1)) ?? 0 }
    /// Whether it is no integer.
    public var isFloat: Bool { self == .float32 || self == .float64 }
  }

  /// Extents, in the order of indices.
  public let shape: [Int]
  /// Type of the elements.
  public let element: Element
  /// Elements between neighbours along each axis.
  let strides: [Int]
  private let isSwapped: Bool
  private let data: Data
  private let start: Int

  /// Reads a header and checks that as many bytes follow as it says.
  ///
  /// - Parameters:
  ///   - data: the whole file.
  ///   - file: its name, for messages.
  /// - Throws: `RecordedRoutingError.array`.
  public init(_ data: Data, file: String) throws(RecordedRoutingError) {
    func problem(_ item: String, _ expected: String, _ found: String, _ advice: String) -> RecordedRoutingError {
      .array(file: file, item: item, expected: expected, found: found, advice: advice)
    }
    let data = data.startIndex == 0 ? data : Data(data)
    let whole = "copying or fetching the file again"
    guard data.count >= 10 else { throw problem("header", "at least 10 bytes", "\(data.count)", whole) }
    let major = data[6]
    guard (1...3).contains(major) else {
      throw problem("version", "1, 2 or 3", "\(major)", "numpy.save of a current NumPy")
    }
    let lengthBytes = major == 1 ? 2 : 4
    guard data.count >= 8 + lengthBytes else { throw problem("header", "a length", "the end of the file", whole) }
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(data[8 + $1]) << (8 * $1) }
    let start = 8 + lengthBytes + length
    guard data.count >= start else {
      throw problem("header", "\(length) bytes", "\(data.count - start + length)", whole)
    }
    let text = String(decoding: data[start - length..<start], as: UTF8.self)
    guard let header = NumPyHeader(text) else {
      throw problem(
        "header", "descr, fortran_order and shape", text.trimmingCharacters(in: .whitespacesAndNewlines),
        "numpy.save of an array of numbers")
    }
    guard let order = header.type.first, "<>|=".contains(order),
      let element = Element(rawValue: String(header.type.dropFirst())), order != "|" || element.size == 1
    else {
      throw problem("dtype", "integers (int16 or the like)", "'\(header.type)'", "array.astype('int16') before saving")
    }
    var count = 1
    for extent in header.shape {
      let (product, overflows) = count.multipliedReportingOverflow(by: extent)
      guard !overflows, product <= Int(Int32.max) * 64 else {
        throw problem("shape", "a size that fits in memory", "\(header.shape)", whole)
      }
      count = product
    }
    guard data.count - start == count * element.size else {
      throw problem(
        "data", "\(count * element.size) bytes for shape \(header.shape) of \(element)", "\(data.count - start)", whole)
    }
    (shape, self.element, self.data, self.start) = (header.shape, element, data, start)
    isSwapped = order == ">" && element.size > 1
    var strides = [Int](repeating: 1, count: shape.count)
    let axes = header.isFortran ? Array(shape.indices) : Array(shape.indices.reversed())
    for (before, axis) in zip(axes, axes.dropFirst()) { strides[axis] = strides[before] * shape[before] }
    self.strides = strides
  }

  /// Lends a function from an element's place, Σ index · stride, to its value; for arrays of integers.
  func withIntegers<Result>(_ body: ((Int) -> Int) -> Result) -> Result {
    data.withUnsafeBytes { bytes in
      func load<T: FixedWidthInteger>(_ type: T.Type, _ place: Int) -> Int {
        let value = bytes.loadUnaligned(fromByteOffset: start + place * MemoryLayout<T>.size, as: type)
        return Int(truncatingIfNeeded: isSwapped ? value.byteSwapped : value)
      }
      return switch element {
      case .int8: body { load(Int8.self, $0) }
      case .uint8: body { load(UInt8.self, $0) }
      case .int16: body { load(Int16.self, $0) }
      case .uint16: body { load(UInt16.self, $0) }
      case .int32: body { load(Int32.self, $0) }
      case .uint32: body { load(UInt32.self, $0) }
      case .int64: body { load(Int64.self, $0) }
      case .uint64: body { Int(clamping: UInt64(bitPattern: Int64(load(UInt64.self, $0)))) }
      case .float32, .float64: preconditionFailure("NumPyArray: \(element) is no integer")
      }
    }
  }

  /// All elements in row-major order, as numbers.
  public var numbers: [Double] {
    func places(_ body: (Int) -> Double) -> [Double] {
      (0..<shape.reduce(1, *)).map { index in
        var (rest, place) = (index, 0)
        for axis in shape.indices.reversed() {
          place += rest % shape[axis] * strides[axis]
          rest /= shape[axis]
        }
        return body(place)
      }
    }
    guard element.isFloat else { return withIntegers { value in places { Double(value($0)) } } }
    return data.withUnsafeBytes { bytes in
      func bits<T: FixedWidthInteger>(_ type: T.Type, _ place: Int) -> T {
        let value = bytes.loadUnaligned(fromByteOffset: start + place * MemoryLayout<T>.size, as: type)
        return isSwapped ? value.byteSwapped : value
      }
      return element == .float32
        ? places { Double(Float(bitPattern: bits(UInt32.self, $0))) }
        : places { Double(bitPattern: bits(UInt64.self, $0)) }
    }
  }
}

/// The dictionary at the head of a `.npy` file, a literal of Python: exactly these three keys, in any order.
///
///     {'descr': '<i2', 'fortran_order': False, 'shape': (517, 16, 8), }
private struct NumPyHeader {
  private(set) var type = ""
  private(set) var isFortran = false
  private(set) var shape: [Int] = []

  init?(_ text: String) {
    var rest = Substring(text)
    func skipSpace() { rest = rest.drop(while: \.isWhitespace) }
    func take(_ token: String) -> Bool {
      skipSpace()
      guard rest.hasPrefix(token) else { return false }
      rest = rest.dropFirst(token.count)
      return true
    }
    func string() -> String? {
      skipSpace()
      guard let quote = rest.first, quote == "'" || quote == "\"" else { return nil }
      let body = rest.dropFirst().prefix { $0 != quote }
      guard body.endIndex < rest.endIndex else { return nil }
      rest = rest[rest.index(after: body.endIndex)...]
      return String(body)
    }
    func tuple() -> [Int]? {
      guard take("(") else { return nil }
      var extents: [Int] = []
      while !take(")") {
        skipSpace()
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard let extent = Int(digits) else { return nil }
        rest = rest.dropFirst(digits.count)
        extents.append(extent)
        if !take(","), !rest.drop(while: \.isWhitespace).hasPrefix(")") { return nil }
      }
      return extents
    }
    var keys: Set<String> = []
    guard take("{") else { return nil }
    while !take("}") {
      guard let key = string(), take(":"), keys.insert(key).inserted else { return nil }
      switch key {
      case "descr":
        guard let value = string() else { return nil }
        type = value
      case "fortran_order":
        isFortran = take("True")
        guard isFortran || take("False") else { return nil }
      case "shape":
        guard let value = tuple() else { return nil }
        shape = value
      default: return nil
      }
      if !take(","), !rest.drop(while: \.isWhitespace).hasPrefix("}") { return nil }
    }
    guard keys.count == 3, rest.allSatisfy(\.isWhitespace) else { return nil }
  }
}
