import Foundation

/// What the system said, out of an error of Foundation's, whose own words are domains and numbers.
package enum SystemReason {
  /// `No such file or directory`, or the like; nil for an error that is not Foundation's.
  package static func words(_ error: any Error) -> String? {
    switch error {
    case let error as POSIXError: return text(error.code.rawValue)
    case let error as DecodingError: return words(error)
    case let error as EncodingError:
      guard case .invalidValue(_, let context) = error else { return "a value that cannot be written" }
      return context.debugDescription
    case let error as CocoaError:
      return words(error.userInfo[NSUnderlyingErrorKey], code: error.code)
    case let error as NSError where error.domain == NSPOSIXErrorDomain:
      return text(Int32(truncatingIfNeeded: error.code))
    case let error as NSError where error.domain == NSCocoaErrorDomain:
      return words(error.userInfo[NSUnderlyingErrorKey], code: CocoaError.Code(rawValue: error.code))
    default: return nil
    }
  }

  /// The file that an error of Foundation's is about, if it says.
  package static func path(_ error: any Error) -> String? {
    let info = (error as? CocoaError)?.userInfo ?? (error as NSError).userInfo
    return info[NSFilePathErrorKey] as? String ?? (info[NSURLErrorKey] as? URL)?.path
  }

  private static func words(_ underlying: Any?, code: CocoaError.Code) -> String {
    if let error = underlying as? any Error, let words = words(error) { return words }
    switch code {
    case .fileNoSuchFile, .fileReadNoSuchFile: return text(ENOENT)
    case .fileReadNoPermission, .fileWriteNoPermission: return text(EACCES)
    case .fileWriteFileExists: return text(EEXIST)
    case .fileWriteOutOfSpace: return text(ENOSPC)
    case .fileWriteVolumeReadOnly: return text(EROFS)
    case .fileReadTooLarge: return text(EFBIG)
    case .fileReadInapplicableStringEncoding, .fileReadUnknownStringEncoding: return "text that is not UTF-8"
    case .fileReadCorruptFile, .propertyListReadCorrupt: return "something that is not of its format"
    default: return "a refusal of the system"
    }
  }

  private static func words(_ error: DecodingError) -> String {
    let context: DecodingError.Context? =
      switch error {
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
        .dataCorrupted(let context):
        context
      @unknown default: nil
      }
    let place = context?.codingPath.map(\.stringValue).joined(separator: ".") ?? ""
    return (context?.debugDescription ?? "JSON of another form") + (place.isEmpty ? "" : " (at \(place))")
  }

  private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
