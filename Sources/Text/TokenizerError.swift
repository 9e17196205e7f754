/// Why a `tokenizer.json` cannot be used.
///
/// A feature that is not supported is an error, never a different tokenisation.
public enum TokenizerError: Error, Equatable, CustomStringConvertible {
  /// The bytes are not JSON.
  case syntax(source: String, line: Int, column: Int, reason: String)
  /// A key that must be there is not.
  case missing(source: String, key: String)
  /// A value has the wrong type or does not fit with the rest.
  case invalid(source: String, key: String, expected: String, found: String)
  /// A feature of Hugging Face tokenizers that is not implemented here.
  case unsupported(source: String, key: String, feature: String, supported: String)

  /// The error in words: where, what was expected, what was found.
  public var description: String {
    switch self {
    case .syntax(let source, let line, let column, let reason):
      "\(source):\(line):\(column): expected tokenizer.json of Hugging Face tokenizers, found \(reason)"
    case .missing(let source, let key):
      "\(source): \(key): expected this key, found none; try the tokenizer.json that Hugging Face tokenizers writes"
    case .invalid(let source, let key, let expected, let found):
      "\(source): \(key): expected \(expected), found \(found)"
    case .unsupported(let source, let key, let feature, let supported):
      "\(source): \(key): \(feature) is not supported; expected \(supported)"
    }
  }
}
