internal import Formats
internal import Text

/// What the sections of one recipe share while they are read: the issues found so far, the keys that exist, and the
/// folders that paths start from. It lives for one decoding and never leaves its thread.
package final class RecipeReader {
  /// Where relative paths start.
  struct Folders {
    /// The folder of the recipe's file, for paths written in it.
    var recipe: String
    /// The working folder, for `model`, `output` and paths given as arguments.
    var working: String
  }

  let folders: Folders
  /// Whether files must exist.
  let checksFiles: Bool
  var issues: [RecipeError.Issue] = []
  /// Every dotted key that was asked for: the schema, as far as it was walked.
  private(set) var knownKeys: [String] = []
  private var unknown: [(section: String, key: String, position: RecipePosition)] = []
  /// Data files by the key that names them, for the check that held-out data is held out.
  var files: [(key: String, paths: [String], position: RecipePosition)] = []

  init(folders: Folders, checksFiles: Bool) {
    self.folders = folders
    self.checksFiles = checksFiles
  }

  package func report(_ key: String, _ position: RecipePosition, _ message: String) {
    issues.append(.init(position: position, key: key, message: message))
  }

  func know(_ key: String) {
    if !knownKeys.contains(key) { knownKeys.append(key) }
  }

  func reportUnknown(section: String, key: String, position: RecipePosition) {
    unknown.append((section, key, position))
  }

  /// Names that other tools use for keys of ours.
  private static let foreignNames = [
    "lr": "optimizer.learning_rate", "batch_size": "schedule.batch_tokens", "max_length": "data.max_tokens",
    "max_seq_len": "data.max_tokens", "max_grad_norm": "optimizer.clip", "clip_grad_norm": "optimizer.clip",
    "gradient_accumulation_steps": "schedule.accumulation", "num_train_epochs": "schedule.epochs",
    "num_epochs": "schedule.epochs", "packed": "data.packing", "sample_packing": "data.packing",
    "load_best_model_at_end": "run.keep_best", "early_stopping_patience": "run.early_stopping.patience",
    "early_stopping_threshold": "run.early_stopping.min_delta", "eval_steps": "run.evaluate_every",
    "save_steps": "save.every", "save_total_limit": "save.keep",
    "output_dir": "output", "base_model": "model", "model_name_or_path": "model",
  ]

  /// Unknown keys for which a near one is looked for: who has more than these has another file at hand.
  private static let mostHints = 100

  /// Turns unknown keys into issues, once every key that exists is known: nearest sibling first, then a key of that
  /// name in any section, then the name another tool has for it.
  func finish() {
    for (index, item) in unknown.enumerated() {
      guard index < Self.mostHints else {
        report(item.section.isEmpty ? item.key : item.section + "." + item.key, item.position, "unknown key")
        continue
      }
      let full = item.section.isEmpty ? item.key : item.section + "." + item.key
      let siblings = knownKeys.filter { Self.parent(of: $0) == item.section }
      let suggestion =
        Spelling.nearest(to: full, in: siblings.filter { Self.isNear($0, full) })
        ?? knownKeys.first { Self.name(of: $0) == item.key } ?? Self.foreignNames[item.key]
        ?? knownKeys.first { Self.isNear($0, full) }
      let hint =
        suggestion.map { "; did you mean '\($0)'?" }
        ?? "; known here: " + siblings.map { Self.name(of: $0) }.joined(separator: ", ")
      report(full, item.position, "unknown key" + hint)
    }
    unknown = []
  }

  private static func isNear(_ candidate: String, _ word: String) -> Bool {
    Spelling.nearest(to: name(of: word), in: [name(of: candidate)]) != nil
  }

  private static func parent(of key: String) -> String {
    key.lastIndex(of: ".").map { String(key[..<$0]) } ?? ""
  }

  private static func name(of key: String) -> String {
    key.lastIndex(of: ".").map { String(key[key.index(after: $0)...]) } ?? key
  }
}
