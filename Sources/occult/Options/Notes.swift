import Checkpoint
import Synchronization
import Text
import Training

private let told = Mutex<Set<String>>([])

/// Says what a person should know of the files of a model: each note once, however often the model is opened.
func tell(_ notes: [String]) {
  for text in notes where told.withLock({ $0.insert(text).inserted }) { note("note: \(text)") }
}

/// Whether the tokenizer of a model can be used: found out when its files are looked at or copied, not when it is
/// needed.
struct TokenizerCheck {
  private let outcome: Result<Tokenizer?, any Error>
  private let path: String

  init(_ files: ModelFiles) {
    path = files.path
    outcome = Result { try Self.load(files) }
  }

  private static func load(_ files: ModelFiles) throws -> Tokenizer? {
    guard let tokenizer = try ModelTokenizer.load(files) else { return nil }
    try TrainingData.check(tokenizer, files)
    return tokenizer
  }

  /// Says what is to be known of the tokenizer, and that it cannot be used.
  func tell() {
    switch outcome {
    case .success(let tokenizer): occult.tell((tokenizer?.notes ?? []) + (tokenizer?.remarks ?? []))
    case .failure(let error): logger.warning("\(path): commands that need text will refuse this model: \(error)")
    }
  }

  /// Throws why it cannot be used.
  func require() throws { _ = try outcome.get() }
}
