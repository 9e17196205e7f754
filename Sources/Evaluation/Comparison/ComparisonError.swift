/// Why measured values cannot be compared.
public enum ComparisonError: Error, Equatable, CustomStringConvertible {
  /// Too few documents for an interval.
  case tooFewDocuments(cell: String, text: String, found: Int)
  /// A document's loss is NaN or infinite.
  case notFinite(cell: String, text: String, document: String, found: String)
  /// A document counts no token.
  case noTokens(cell: String, text: String, document: String, found: Int)
  /// A document appears twice in one cell.
  case repeatedDocument(cell: String, text: String, document: String)
  /// Two cells were not measured on the same documents.
  case differentDocuments(cell: String, other: String, text: String, document: String)
  /// Two cells count a different number of tokens in one document.
  case differentTokens(cell: String, other: String, text: String, document: String, expected: Int, found: Int)
  /// Two cells have the same arm and limit.
  case repeatedCell(cell: String)
  /// Two arms were trained from different seeds.
  case differentSeeds(cell: String, other: String, expected: [Int], found: [Int])
  /// A figure other than a document's loss is NaN or infinite.
  case figure(place: String, name: String, found: String)
  /// A layer's arrays do not fit together.
  case layer(layer: Int, name: String, expected: String, found: String)
  /// A study has no cell at all.
  case empty
  /// A bootstrap with too few draws for a 95 % interval.
  case draws(found: Int)
  /// Not a comparison file, or one that this version cannot read.
  case file(expected: String, found: String)

  /// The error in words: where, what was expected, what was found, and what to try.
  public var description: String {
    switch self {
    case .tooFewDocuments(let cell, let text, let found):
      "\(cell): expected at least 2 \(text) documents, found \(found); try a larger test set"
    case .notFinite(let cell, let text, let document, let found):
      "\(cell): \(text) document '\(document)': expected a finite loss, found \(found); "
        + "try to evaluate that document alone"
    case .noTokens(let cell, let text, let document, let found):
      "\(cell): \(text) document '\(document)': expected at least 1 counted token, found \(found); "
        + "try to leave the document out of every cell"
    case .repeatedDocument(let cell, let text, let document):
      "\(cell): expected every \(text) document once, found '\(document)' twice; try distinct document ids"
    case .differentDocuments(let cell, let other, let text, let document):
      "\(cell) and \(other): expected the same \(text) documents, found '\(document)' in one of them only; "
        + "try to evaluate both on the same file"
    case .differentTokens(let cell, let other, let text, let document, let expected, let found):
      "\(cell): \(text) document '\(document)': expected \(expected) counted tokens as in \(other), found \(found); "
        + "try the same tokenizer, template and max_tokens for both"
    case .repeatedCell(let cell):
      "\(cell): expected once, found twice; try distinct arm names"
    case .differentSeeds(let cell, let other, let expected, let found):
      "\(cell): expected the seeds of \(other), \(Self.list(expected)), found \(Self.list(found)); "
        + "try the same seeds for every arm"
    case .figure(let place, let name, let found):
      "\(place): expected a finite \(name), found \(found); try to run that arm again"
    case .layer(let layer, let name, let expected, let found):
      "layer \(layer): \(name): expected \(expected), found \(found); try to profile the model again"
    case .empty:
      "study: expected at least one evaluated arm, found none; try to add arms to the recipe"
    case .draws(let found):
      "bootstrap: expected at least 100 draws, found \(found); try 2000"
    case .file(let expected, let found):
      "comparison: expected \(expected), found \(found); try a comparison.json written by `occult study`"
    }
  }

  private static func list(_ seeds: [Int]) -> String {
    seeds.isEmpty ? "none" : seeds.map(String.init).joined(separator: ", ")
  }
}
