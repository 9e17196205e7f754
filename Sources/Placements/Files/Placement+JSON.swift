public import Foundation
internal import Formats

extension Placement: Codable {
  /// Longest file that is read, in bytes: that of the largest model has some hundred kilobytes.
  static let mostBytes = 1 << 28

  private enum CodingKeys: String, CodingKey {
    case format, version, experts, devices, nodes, proposals, layers
    case modelType = "model_type"
  }

  /// A file as it stands, before anything is checked.
  private struct Document: Decodable {
    let format: String
    let version: Int
    let modelType: String?
    let experts: Int
    let devices: Int
    let nodes: Int
    let proposals: Int?
    let layers: [Layer]

    enum CodingKeys: String, CodingKey {
      case format, version, experts, devices, nodes, proposals, layers
      case modelType = "model_type"
    }

    /// Format and version first: what else a foreign file lacks does not matter.
    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      format = try container.decode(String.self, forKey: .format)
      let file = decoder.userInfo[fileKey] as? String ?? "placement"
      guard format == Placement.format else { throw PlacementError.format(file: file, found: format) }
      version = try container.decode(Int.self, forKey: .version)
      guard version == Placement.version else { throw PlacementError.version(file: file, found: version) }
      modelType = try container.decodeIfPresent(String.self, forKey: .modelType)
      experts = try container.decode(Int.self, forKey: .experts)
      devices = try container.decode(Int.self, forKey: .devices)
      nodes = try container.decodeIfPresent(Int.self, forKey: .nodes) ?? 1
      proposals = try container.decodeIfPresent(Int.self, forKey: .proposals)
      layers = try container.decode([Layer].self, forKey: .layers)
    }
  }

  /// Checked like every placement; equal groups are required.
  ///
  /// - Parameter decoder: of an `occult-placement`.
  /// - Throws: `PlacementError`, or the decoder's own error.
  public init(from decoder: any Decoder) throws {
    let document = try Document(from: decoder)
    try self.init(
      modelType: document.modelType, experts: document.experts, devices: document.devices, nodes: document.nodes,
      layers: document.layers, slack: decoder.userInfo[slackKey] as? Bool ?? false,
      file: decoder.userInfo[fileKey] as? String ?? "placement")
    proposals = document.proposals
  }

  /// Writes the keys of the file format.
  ///
  /// - Parameter encoder: any.
  /// - Throws: the encoder's own error.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try container.encode(Self.version, forKey: .version)
    try container.encode(modelType, forKey: .modelType)
    try container.encode(experts, forKey: .experts)
    try container.encode(devices, forKey: .devices)
    if nodes > 1 { try container.encode(nodes, forKey: .nodes) }
    try container.encodeIfPresent(proposals, forKey: .proposals)
    try container.encode(layers, forKey: .layers)
  }

  /// Reads and checks an `occult-placement`.
  ///
  /// - Parameters:
  ///   - json: the file's contents.
  ///   - file: its name, for messages.
  ///   - slack: accept devices with unequal numbers of experts.
  /// - Throws: `PlacementError` naming file, layer or key, expected and found.
  public init(json: Data, file: String, slack: Bool = false) throws(PlacementError) {
    let decoder = JSONDecoder()
    decoder.userInfo = [fileKey: file, slackKey: slack]
    do {
      self = try decoder.decode(Self.self, from: json)
    } catch let error as PlacementError {
      throw error
    } catch let error as DecodingError {
      throw Self.explain(error, json, file: file)
    } catch {
      throw .unreadable(file: file, reason: "\(error)")
    }
  }

  /// Reads and checks an `occult-placement` file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - slack: accept devices with unequal numbers of experts.
  ///   - replicas: accept replicas, which models do not follow.
  /// - Throws: `PlacementError`.
  public init(path: String, slack: Bool = false, replicas: Bool = false) throws(PlacementError) {
    let data: Data
    do throws(InputFileError) {
      data = try InputFile.data(path, most: Self.mostBytes)
    } catch {
      throw .unreadable(
        file: path,
        reason: "expected a readable file\(error.limit), found \(error.found); try 'occult place --output \(path)'")
    }
    try self.init(json: data, file: path, slack: slack)
    if !replicas, layers.contains(where: { $0.replicas?.isEmpty == false }) { throw .hasReplicas(file: path) }
  }

  /// The file's contents: one layer a line, the same bytes for the same placement.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func text(_ value: some Encodable) -> String {
      guard let data = try? encoder.encode(value) else {
        preconditionFailure("Placement: a figure is not finite and cannot be written as JSON: \(value)")
      }
      return String(decoding: data, as: UTF8.self)
    }
    let lines = layers.map { "    " + text($0) }.joined(separator: ",\n")
    return """
      {
        "format": "\(Self.format)",
        "version": \(Self.version),
        "model_type": \(text(modelType)),
        "experts": \(experts),
        "devices": \(devices),\(nodes > 1 ? "\n  \"nodes\": \(nodes)," : "")\(proposals.map { "\n  \"proposals\": \($0)," } ?? "")
        "layers": [
      \(lines)
        ]
      }

      """
  }

  private static func explain(_ error: DecodingError, _ json: Data, file: String) -> PlacementError {
    func path(_ keys: [any CodingKey]) -> String {
      keys.reduce("") { path, key in
        if let index = key.intValue { return "\(path)[\(index)]" }
        return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
      }
    }
    switch error {
    case .keyNotFound(let key, let context):
      return .malformed(file: file, path: path(context.codingPath + [key]), expected: "a value", found: "no such key")
    case .valueNotFound(let type, let context):
      return .malformed(file: file, path: path(context.codingPath), expected: name(type), found: "null")
    case .typeMismatch(let type, let context):
      return .malformed(
        file: file, path: path(context.codingPath), expected: name(type), found: "a value of another type")
    case .dataCorrupted where JSONParser.accepts(json):
      // Foundation does not say where.
      return .malformed(
        file: file, path: "", expected: "integers for experts, devices and layers",
        found: "a number that is a fraction or too large")
    case .dataCorrupted:
      return .malformed(file: file, path: "", expected: "JSON", found: "something else, or a file cut short")
    @unknown default:
      return .malformed(file: file, path: "", expected: "an occult-placement", found: "\(error)")
    }
  }

  private static func name(_ type: any Any.Type) -> String {
    switch type {
    case is Int.Type: "an integer"
    case is Double.Type: "a number"
    case is String.Type: "a string"
    case is [Any].Type: "a list"
    default: "an object"
    }
  }
}

/// Hands the file's name to the decoder.
private let fileKey = userInfoKey("occult.file")
private let slackKey = userInfoKey("occult.slack")

private func userInfoKey(_ name: String) -> CodingUserInfoKey {
  guard let key = CodingUserInfoKey(rawValue: name) else { preconditionFailure("no user info key '\(name)'") }
  return key
}
