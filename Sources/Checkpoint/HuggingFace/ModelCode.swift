internal import Files
internal import Formats
internal import Routing
internal import Foundation
internal import Models

/// Code for transformers that applies placement and limit to a family's own classes: `convert --with-code`.
///
/// The template `Templates/modeling_occult.py` is the code for OLMoE; other families differ by names and by three
/// switches.
struct ModelCode {
  /// Name of the file, `modeling_occult_olmoe.py`.
  let name: String
  /// Its text.
  let text: String
  private let traits: Traits

  /// How the names of such files begin.
  static let prefix = "modeling_occult_"

  /// What differs between families in transformers.
  private struct Traits {
    /// Prefix of its classes there.
    let prefix: String
    /// Its router class.
    let router: String
    /// Python: whether its router divides weights by their sum, rounds them to the type of the logits, and computes
    /// those in float32.
    let switches: String
  }

  private static let families: [String: Traits] = [
    "olmoe": Traits(prefix: "Olmoe", router: "OlmoeTopKRouter", switches: "None, True, False"),
    "qwen2_moe": Traits(prefix: "Qwen2Moe", router: "Qwen2MoeTopKRouter", switches: "None, True, False"),
    "qwen3_moe": Traits(prefix: "Qwen3Moe", router: "Qwen3MoeTopKRouter", switches: "None, True, False"),
    "mixtral": Traits(prefix: "Mixtral", router: "MixtralTopKRouter", switches: "True, False, False"),
    "deepseek_v2": Traits(prefix: "DeepseekV2", router: "DeepseekV2TopkRouter", switches: "False, False, True"),
  ]

  /// Families that transformers has classes for, and we code.
  static let supported: [String] = families.keys.sorted()

  /// Policies that the code knows: POLICIES in the template, but for `none`.
  static let policies: [RoutingPolicy] = [.router, .mass, .bestMass, .adaptive, .drop, .randomDevices]

  /// nil for a family that transformers has no class of.
  init?(modelType: String) {
    guard let traits = Self.families[modelType] else { return nil }
    self.traits = traits
    name = Self.prefix + modelType + ".py"
    // The longest name first: it contains the others.
    let switches = "NORMALIZES, ROUNDS, WIDENS = "
    text = String(decoding: PackageResources.modeling_occult_py, as: UTF8.self)
      .replacing(switches + "None, True, False", with: switches + traits.switches)
      .replacing("OlmoeTopKRouter", with: traits.router).replacing("Olmoe", with: traits.prefix)
      .replacing("olmoe", with: modelType)
  }

  /// The configuration that makes transformers load this code, with the routing that the code reads.
  ///
  /// `architectures` names our class: an engine that knows the family's own class alone then refuses the folder instead
  /// of running it without the limit.
  func configuration(_ json: String, routing: RoutingSettings) -> String {
    let own = "\(traits.prefix)ForCausalLM"
    var config = ConfigurationText(json)
    config.replace("\"\(own)\"", with: "\"Occult\(own)\"", in: "architectures")
    let module = (name as NSString).deletingPathExtension
    config.append("auto_map", "{\"AutoModelForCausalLM\": \"\(module).Occult\(own)\"}")
    config.append(RoutingSettings.configurationKey, routing.configurationJSON)
    return config.text
  }

  /// Parts a folder's configuration into the model's own and the routing that ``configuration(_:routing:)`` added.
  ///
  /// - Throws: ``FileError`` for a section of another version.
  static func parts(_ json: String, file: String) throws(FileError) -> (configuration: String, routing: JSONValue?) {
    var config = ConfigurationText(json)
    guard let section = config.value(of: RoutingSettings.configurationKey) else { return (json, nil) }
    let routing = try JSONValue.parse(section, file: file, item: RoutingSettings.configurationKey)
    config.remove(RoutingSettings.configurationKey)
    if config.value(of: "auto_map")?.contains(prefix) == true { config.remove("auto_map") }
    config.replace("\"Occult", with: "\"", in: "architectures")
    return (config.text, routing)
  }
}
