internal import Files
public import Checkpoint
internal import Formats
internal import Foundation
public import Text

/// The tokenizer of a model's files.
public enum ModelTokenizer {
  /// The tokenizer of an opened model.
  ///
  /// - Parameter files: The model.
  /// - Returns: Its tokenizer; nil where it has none.
  /// - Throws: `TokenizerError`.
  public static func load(_ files: ModelFiles) throws(TokenizerError) -> Tokenizer? {
    var sides = TokenizerSides(texts: files.companions, configurationJSON: files.configuration.json)
    sides.chatTemplateFiles += additionalTemplates(files.path)
    return try tokenizer(files.tokenizerJSON, files.tokenizerModel, sides, path: files.path)
  }

  /// The tokenizer of a folder, of whose files no others are read; of a checkpoint; or of a `tokenizer.json` by itself.
  ///
  /// - Parameter path: A folder, a `.h5` file or a `tokenizer.json`.
  /// - Returns: The tokenizer.
  /// - Throws: ``ModelTextError/noTokenizer(model:)``, `TokenizerError`, `FileError`, `InputFileError`.
  public static func load(_ path: String) throws -> Tokenizer {
    var isFolder: ObjCBool = false
    let found: Tokenizer?
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      found = try folder(path)
    } else if ModelFiles.isHDF5(path) {
      found = try load(try ModelFiles(opening: path))
    } else {
      found = try Tokenizer(json: try InputFile.data(path, most: TextFile.maximumBytes), source: path)
    }
    guard let found else { throw ModelTextError.noTokenizer(model: path) }
    return found
  }

  private static func folder(_ path: String) throws -> Tokenizer? {
    func name(_ file: String) -> String? {
      let name = (path as NSString).appendingPathComponent(file)
      return FileManager.default.fileExists(atPath: name) ? name : nil
    }
    var texts: [String: String] = [:]
    for file in TokenizerSides.names { texts[file] = try name(file).map(TextFile.read) }
    var sides = TokenizerSides(texts: texts, configurationJSON: try name("config.json").map(TextFile.read))
    sides.chatTemplateFiles += additionalTemplates(path)
    let model = try name("tokenizer.model").map { try InputFile.bytes($0, most: TextFile.maximumBytes) }
    return try tokenizer(try name("tokenizer.json").map(TextFile.read), model, sides, path: path)
  }

  /// `tokenizer.json` goes before `tokenizer.model`.
  private static func tokenizer(
    _ json: String?, _ model: [UInt8]?, _ sides: TokenizerSides, path: String
  ) throws(TokenizerError) -> Tokenizer? {
    if let json { return try Tokenizer(json: Data(json.utf8), source: path + " tokenizer_json", sides: sides) }
    if let model { return try Tokenizer(sentencePiece: Data(model), source: path + " tokenizer.model", sides: sides) }
    return nil
  }

  /// Chat templates in a folder of their own, which a checkpoint does not carry.
  package static func additionalTemplates(_ path: String) -> [String] {
    let folder = (path as NSString).appendingPathComponent("additional_chat_templates")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".jinja") }.sorted().map { "additional_chat_templates/" + $0 }
  }
}

extension Tokenizer {
  /// What to say of a chat template in the model's files: it is not evaluated, and what stands in its place.
  ///
  /// - Parameters:
  ///   - template: The words that are used.
  ///   - setting: What sets them.
  /// - Returns: The note; nil where the files have no template.
  public func note(on template: PromptTemplate, setBy setting: String) -> String? {
    chatTemplate.map {
      "the model has a chat template (\($0)), which is not evaluated: '\(template.rawValue)' is used in its place "
        + "(\(setting))"
    }
  }
}
