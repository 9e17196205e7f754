internal import Formats
public import Foundation

/// What stands beside a `tokenizer.json` and has a say in it.
public struct TokenizerSides: Sendable {
  /// Content of `tokenizer_config.json`.
  public var configuration: Data?
  /// Content of `special_tokens_map.json`.
  public var specialTokensMap: Data?
  /// Content of `added_tokens.json`.
  public var addedTokens: Data?
  /// `model_type` of `config.json`: some families have a tokenizer class of their own.
  public var modelType: String?
  /// `tokenizer_class` of `config.json`, which counts where `tokenizer_config.json` names none.
  public var modelTokenizerClass: String?
  /// Names of files that hold chat templates and nothing else: `chat_template.jinja` and the like.
  public var chatTemplateFiles: [String] = []

  /// Nothing but the contents of `tokenizer_config.json`, if there is one.
  public init(configuration: Data? = nil) { self.configuration = configuration }

  /// What a model's folder or checkpoint holds beside `tokenizer.json`.
  ///
  /// - Parameters:
  ///   - texts: Text files by name.
  ///   - configurationJSON: Text of `config.json`, if there is one.
  public init(texts: [String: String], configurationJSON: String?) {
    func data(_ name: String) -> Data? { texts[name].map { Data($0.utf8) } }
    configuration = data(Self.configurationName)
    specialTokensMap = data(Self.specialTokensMapName)
    addedTokens = data(Self.addedTokensName)
    chatTemplateFiles = texts.keys.filter(Self.isChatTemplate).sorted()
    guard let configurationJSON else { return }
    var parser = JSONParser(Array(configurationJSON.utf8))
    guard let model = try? parser.document() else { return }
    modelType = model["model_type"]?.string
    modelTokenizerClass = model["tokenizer_class"]?.string
  }

  static let configurationName = "tokenizer_config.json"
  static let specialTokensMapName = "special_tokens_map.json"
  static let addedTokensName = "added_tokens.json"

  /// Files in which tokens or templates may stand, beside `tokenizer.json` and `tokenizer.model`.
  public static let names = [
    configurationName, specialTokensMapName, addedTokensName, "chat_template.jinja", "chat_template.json",
  ]

  /// Whether a file holds a chat template: `chat_template.jinja`, `additional_chat_templates/tools.jinja`.
  static func isChatTemplate(_ name: String) -> Bool {
    name == "chat_template.jinja" || name == "chat_template.json"
      || (name.hasPrefix("additional_chat_templates/") && name.hasSuffix(".jinja"))
  }
}
