internal import Files
internal import Formats
internal import Foundation
internal import Models

/// The small files of a hub folder that go along with the weights, verbatim: all that a tokenizer may need, and code
/// that the configuration names.
struct HubFiles: Sendable {
  /// Text of `tokenizer.json`.
  var tokenizerJSON: String?
  /// Bytes of `tokenizer.model`, a SentencePiece model.
  var tokenizerModel: [UInt8]?
  /// Other text files by name.
  var texts: [String: String] = [:]

  static let configurationName = "config.json"
  static let tokenizerName = "tokenizer.json"
  static let tokenizerModelName = "tokenizer.model"
  static let tokenizerConfigurationName = "tokenizer_config.json"
  static let generationName = "generation_config.json"
  private static let textNames: Set = [
    "added_tokens.json", "chat_template.jinja", "chat_template.json", generationName, "merges.txt",
    "special_tokens_map.json", "tokenizer_config.json", "vocab.json",
  ]

  /// The three properties.
  var parts: (tokenizerJSON: String?, tokenizerModel: [UInt8]?, texts: [String: String]) {
    (tokenizerJSON, tokenizerModel, texts)
  }

  init() {}

  /// Reads what is there.
  ///
  /// - Throws: ``FileError``, for instance for text that is no UTF-8.
  init(folder: String) throws(FileError) {
    func existing(_ name: String) -> String? {
      let path = (folder as NSString).appendingPathComponent(name)
      return FileManager.default.fileExists(atPath: path) ? path : nil
    }
    tokenizerJSON = try existing(Self.tokenizerName).map { (path) throws(FileError) in try TextFile.read(path) }
    if let path = existing(Self.tokenizerModelName) {
      let file = try MappedFile(path)
      guard file.bytes.count <= TextFile.maximumBytes else { throw TextFile.tooLong(path, file.bytes.count) }
      tokenizerModel = Array(file.bytes)
    }
    var names = Self.textNames
    for source in [Self.configurationName, Self.tokenizerConfigurationName] {
      if let path = existing(source) { names.formUnion(Self.code(namedIn: try TextFile.read(path))) }
    }
    for name in names {
      if let path = existing(name) { texts[name] = try TextFile.read(path) }
    }
  }

  /// A configuration with what the file beside it says of generated text: its end tokens end a text too.
  ///
  /// - Parameters:
  ///   - configuration: Of `config.json`.
  ///   - place: What stands before the file's name in messages.
  /// - Returns: Both together.
  /// - Throws: `ConfigurationError`.
  func completing(
    _ configuration: ModelConfiguration, in place: String
  ) throws(ConfigurationError) -> ModelConfiguration {
    guard let json = texts[Self.generationName] else { return configuration }
    var both = configuration
    both.generation = try GenerationSettings(
      json: json, file: place + Self.generationName, vocabulary: configuration.vocabulary)
    both.endTokens += both.generation.endTokens.filter { !configuration.endTokens.contains($0) }
    return both
  }

  /// Whether a text of this name is carried along; no name leads out of its folder. Our own code is made anew from the
  /// routing, so what comes under its name is not ours.
  static func isCompanion(_ name: String) -> Bool {
    textNames.contains(name) || (isCode(name) && !name.hasPrefix(ModelCode.prefix))
  }

  /// Whether a name is that of a Python module: letters, digits and underscores.
  static func isCode(_ name: String) -> Bool {
    let module = name.dropLast(3).utf8
    return name.hasSuffix(".py") && !module.isEmpty
      && module.allSatisfy {
        $0 == UInt8(ascii: "_") || (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF)
      }
  }

  /// A configuration without the entries of `auto_map` that lead to files which are left out; where none is left,
  /// without the key. Everything else keeps every byte.
  static func withoutCode(_ files: [String], in json: String) -> String {
    var config = ConfigurationText(json)
    guard !files.isEmpty, let value = config.value(of: mapKey) else { return json }
    let entries = ConfigurationText.members(of: value)
    let kept = entries.filter { entry in
      !names(in: entry.value).contains { module(of: $0).map(files.contains) ?? false }
    }
    if kept.isEmpty {
      config.remove(mapKey)
    } else if kept.count < entries.count {
      config.set(mapKey, "{" + kept.map { "\(JSONValue.quoted($0.key)): \($0.value)" }.joined(separator: ", ") + "}")
    }
    return config.text
  }

  /// The texts of a JSON value that is one, or a list of them.
  private static func names(in json: String) -> [String] {
    guard case .array(let values)? = try? JSONValue.parse("[\(json)]", file: mapKey) else { return [] }
    let flat = values.flatMap { (value) -> [JSONValue] in
      if case .array(let elements) = value { elements } else { [value] }
    }
    return flat.compactMap { (value) -> String? in
      if case .string(let name) = value { name } else { nil }
    }
  }

  private static let mapKey = "auto_map"

  /// The file in the folder that a name such as `modeling_x.XModel` leads to; nil for one in another repository,
  /// `owner/name--modeling_x.XModel`.
  private static func module(of name: String) -> String? {
    guard !name.contains("--"), let start = name.split(separator: ".").first else { return nil }
    return String(start) + ".py"
  }

  /// Python files that `auto_map` names: `{"AutoModel": "modeling_x.XModel"}`, or a list of such names. Those in
  /// another repository, `owner/name--modeling_x.XModel`, are not here.
  private static func code(namedIn json: String) -> [String] {
    guard let value = ConfigurationText(json).value(of: mapKey) else { return [] }
    return ConfigurationText.members(of: value).flatMap { names(in: $0.value) }.compactMap(module).filter(isCompanion)
  }
}
