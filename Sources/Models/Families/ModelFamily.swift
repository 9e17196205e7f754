internal import Formats
internal import Routing
internal import Foundation
public import Tensors

/// Chooses the family that a configuration names.
public enum ModelFamily {
  static let families: [any Family.Type] = [
    OLMoE.self, Mixtral.self, Qwen2MoE.self, Qwen3MoE.self, DeepSeek.self, DeepSeekV2.self,
  ]

  /// Values of `model_type` that this version runs.
  public static let supported = families.map { $0.modelType }

  /// Reads a configuration of any supported family.
  ///
  /// - Parameters:
  ///   - json: Text of `config.json`.
  ///   - file: Its name in messages.
  /// - Returns: Sizes and switches.
  /// - Throws: ``ConfigurationError``.
  public static func configuration(json: String, file: String) throws(ConfigurationError) -> ModelConfiguration {
    let config = try ConfigurationReader(json: json, file: file)
    let type = try config.string("model_type")
    guard let family = families.first(where: { $0.modelType == type }) else {
      throw config.invalid("model_type", "one of \(supported.joined(separator: ", "))", type)
    }
    let unknown = try ConfigurationKeys.check(config, family: type)
    var configuration = try family.configuration(config, json: json)
    configuration.unknownKeys = (configuration.unknownKeys + unknown).sorted()
    configuration.untrainable = try ConfigurationKeys.untrainable(config)
    return configuration
  }

  /// Builds a model of any supported family.
  ///
  /// - Parameters:
  ///   - configuration: Sizes and switches.
  ///   - parameter: The tensor of a name and shape.
  /// - Returns: The model, unlimited.
  /// - Throws: What `parameter` throws.
  public static func model<E: Error>(
    _ configuration: ModelConfiguration, parameter: @escaping (String, [Int]) throws(E) -> Tensor
  ) throws(E) -> LanguageModel {
    guard let family = families.first(where: { $0.modelType == configuration.modelType }) else {
      preconditionFailure("ModelFamily: no family \(configuration.modelType)")
    }
    let builder = ModelBuilder(configuration: configuration, parameter: parameter)
    return try builder.model { (number) throws(E) in try family.layer(number, builder) }
  }

  /// A model of random weights, normal with the configuration's standard deviation; norms are 1.
  ///
  /// - Parameters:
  ///   - configuration: Sizes and switches.
  ///   - seed: Seed of the generator (SplitMix64, Box–Muller).
  /// - Returns: The model in float32.
  public static func random(_ configuration: ModelConfiguration, seed: UInt64) -> LanguageModel {
    var generator = SplitMix64(seed: seed)
    // In (0, 1): the logarithm below needs it.
    func uniform() -> Double { generator.uniform() + 0x1p-54 }
    return model(configuration) { (name: String, shape: [Int]) throws(Never) in
      Tensor.filled(shape) { elements in
        if shape.count == 1 { return elements.update(repeating: 1) }
        for index in stride(from: 0, to: elements.count, by: 2) {
          let (radius, angle) = (
            (-2 * log(uniform())).squareRoot() * configuration.initializerRange, 2 * .pi * uniform()
          )
          elements[index] = Float(radius * cos(angle))
          if index + 1 < elements.count { elements[index + 1] = Float(radius * sin(angle)) }
        }
      }
    }
  }
}

extension ModelFamily {
  /// Name, shape and role of every parameter in the order of the module tree, without any weights.
  ///
  /// - Parameter configuration: Sizes and switches.
  /// - Returns: One entry a parameter.
  public static func parameters(_ configuration: ModelConfiguration) -> [(path: ParameterPath, shape: [Int])] {
    var short = configuration
    short.maxPositions = 1  // no need for a table of angles
    let nowhere = Nowhere()
    let model = model(short) { (name: String, shape: [Int]) throws(Never) in
      Tensor(mapped: nowhere.address, shape: shape, dtype: .bfloat16, owner: nowhere)
    }
    var parameters: [(ParameterPath, [Int])] = []
    model.forEachParameter { path, tensor in parameters.append((path, tensor.shape)) }
    return parameters
  }

  /// An address for tensors that have a shape but are never read.
  private final class Nowhere {
    let address = UnsafeRawPointer(UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64))
    deinit { address.deallocate() }
  }
}
