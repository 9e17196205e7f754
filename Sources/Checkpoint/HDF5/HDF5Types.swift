public import Files
import CHDF5

/// What a dataset's elements are.
public enum HDF5StoredType: Equatable, Sendable, CustomStringConvertible {
  /// Little-endian numbers that are read as they lie in the file.
  case element(ElementType)
  /// Text, of fixed or variable length.
  case string
  /// Anything else, in words: `"big-endian float32"`.
  case other(String)

  /// The type in words.
  public var description: String {
    switch self {
    case .element(let type): type.description
    case .string: "string"
    case .other(let words): words
    }
  }
}

extension ElementType {
  /// The file's type, a fresh handle. Memory has the same one: HDF5's own conversions are slow, and round ties away.
  ///
  /// 16-bit floats exist in the library from 1.14.4 and 2.0 on only; built by their fields they are the same types.
  func makeHDF5(_ place: Place) throws(FileError) -> Handle {
    switch self {
    case .float16:
      let type = try place.handle(.type, .create) { H5Tcopy(chdf5_t_f32()) }
      try place.check(.create) { H5Tset_fields(type.id, 15, 10, 5, 0, 10) }
      return try Self.narrow(type, bias: 15, place)
    case .bfloat16:
      let type = try place.handle(.type, .create) { H5Tcopy(chdf5_t_f32()) }
      try place.check(.create) { H5Tset_fields(type.id, 15, 7, 8, 0, 7) }
      return try Self.narrow(type, bias: 127, place)
    default:
      return try place.handle(.type, .create) { H5Tcopy(predefined) }
    }
  }

  private static func narrow(_ type: consuming Handle, bias: Int, _ place: Place) throws(FileError) -> Handle {
    let id = type.id
    try place.check(.create) { H5Tset_ebias(id, bias) }
    try place.check(.create) { H5Tset_precision(id, 16) }
    try place.check(.create) { H5Tset_size(id, 2) }
    return type
  }

  private var predefined: hid_t {
    switch self {
    case .float64: chdf5_t_f64()
    case .float32, .float16, .bfloat16: chdf5_t_f32()
    case .int64: chdf5_t_i64()
    case .int32: chdf5_t_i32()
    case .int16: chdf5_t_i16()
    case .int8: chdf5_t_i8()
    case .uint64: chdf5_t_u64()
    case .uint32: chdf5_t_u32()
    case .uint16: chdf5_t_u16()
    case .uint8: chdf5_t_u8()
    }
  }
}

extension HDF5StoredType {
  /// Recognises a file's type by its bit fields, whatever it was made from.
  ///
  /// `markedBFloat16`: the dataset has the attribute `dtype` = `BF16`, which writers without a 16-bit float type leave
  /// on unsigned integers.
  init(_ type: hid_t, markedBFloat16: Bool) {
    self = HDF5Library.locked {
      let size = H5Tget_size(type)
      switch H5Tget_class(type) {
      case H5T_FLOAT: return Self.float(type, size)
      case H5T_INTEGER: return Self.integer(type, size, markedBFloat16)
      case H5T_STRING: return .string
      // h5py stores ml_dtypes' bfloat16 as two untyped bytes.
      case H5T_OPAQUE: return size == 2 ? .element(.bfloat16) : .other("opaque data of \(size) bytes")
      case H5T_ENUM: return .other("an enumeration (h5py's booleans are)")
      case H5T_COMPOUND: return .other("a compound type")
      case H5T_REFERENCE: return .other("references")
      case H5T_VLEN: return .other("sequences of variable length")
      case H5T_ARRAY: return .other("an array type")
      case H5T_BITFIELD: return .other("a bit field")
      default: return .other("a type of an unknown class")
      }
    }
  }

  private static func float(_ type: hid_t, _ size: Int) -> HDF5StoredType {
    var (sign, exponent, exponentSize, mantissa, mantissaSize) = (0, 0, 0, 0, 0)
    guard H5Tget_fields(type, &sign, &exponent, &exponentSize, &mantissa, &mantissaSize) >= 0 else {
      return .other("a float type without fields")
    }
    let bias = H5Tget_ebias(type)
    let fields = [size * 8, sign, exponent, exponentSize, mantissa, mantissaSize, Int(bias)]
    let known: ElementType? =
      switch fields {
      case [64, 63, 52, 11, 0, 52, 1023]: .float64
      case [32, 31, 23, 8, 0, 23, 127]: .float32
      case [16, 15, 10, 5, 0, 10, 15]: .float16
      case [16, 15, 7, 8, 0, 7, 127]: .bfloat16
      default: nil
      }
    guard let known, H5Tget_precision(type) == size * 8, H5Tget_norm(type) == H5T_NORM_IMPLIED else {
      return .other("a float of \(size) bytes, \(exponentSize) exponent and \(mantissaSize) mantissa bits")
    }
    return H5Tget_order(type) == H5T_ORDER_LE ? .element(known) : .other("big-endian \(known)")
  }

  private static func integer(_ type: hid_t, _ size: Int, _ markedBFloat16: Bool) -> HDF5StoredType {
    let signed = H5Tget_sign(type) != H5T_SGN_NONE
    let known: ElementType? =
      switch (size, signed) {
      case (1, true): .int8
      case (2, true): .int16
      case (4, true): .int32
      case (8, true): .int64
      case (1, false): .uint8
      case (2, false): markedBFloat16 ? .bfloat16 : .uint16
      case (4, false): .uint32
      case (8, false): .uint64
      default: nil
      }
    guard let known, H5Tget_precision(type) == size * 8 else { return .other("an integer of \(size) bytes") }
    return size == 1 || H5Tget_order(type) == H5T_ORDER_LE ? .element(known) : .other("big-endian \(known)")
  }
}
