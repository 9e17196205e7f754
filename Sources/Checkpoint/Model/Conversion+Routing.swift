internal import Placements
internal import Foundation
public import Models

// What becomes of placement and limit in a conversion.
extension Conversion {
  /// Puts code and routing into a folder, or makes sure that no limit is lost silently.
  func addCode(to extras: inout CheckpointExtras, _ files: ModelFiles) throws(ConversionError) {
    let (type, limited) = (files.configuration.modelType, files.routing?.isLimited == true)
    guard writesCode else {
      if limited, !allowsUnlimited, let routing = files.routing {
        throw .losesLimit(source: source, destination: destination, routing: routing.words)
      }
      return
    }
    guard limited, let routing = extras.routing else { throw .noLimit(source: source) }
    guard let code = ModelCode(modelType: type) else { throw .noCode(source: source, family: type) }
    guard ModelCode.policies.contains(routing.policy) else {
      throw .unknownPolicy(source: source, policy: routing.policy.rawValue)
    }
    guard routing.layerLimits == nil else { throw .layerLimits(source: source) }
    guard ConfigurationText(files.configuration.json).value(of: "auto_map") == nil else {
      throw .hasCode(source: source)
    }
    extras.configurationJSON = code.configuration(extras.configurationJSON, routing: routing)
    extras.companions[code.name] = code.text
  }

  /// The placement whose groups become contiguous.
  func placementToBake(_ files: ModelFiles) throws -> Placement {
    guard let placement = files.routing?.placement else { throw ConversionError.noPlacement(source: source) }
    // Only such a checkpoint takes the state along; with adapters, which are merged, it does not.
    if ModelFiles.isHDF5(source), ModelFiles.isHDF5(destination), files.adapters == nil,
      try HDF5Reader(source).contains("training")
    {
      throw ConversionError.bakesRun(source: source)
    }
    guard files.configuration.selection == .greedy else { throw ConversionError.bakesGroups(source: source) }
    return placement
  }
}

extension RoutingSettings {
  /// Whether tokens may use fewer devices than there are.
  public var isLimited: Bool {
    policy.prunesWithoutLimit || (policy != .none && (deviceLimit ?? placement.devices) < placement.devices)
  }

  /// Policy and limit in a message.
  var words: String {
    "policy \(policy.rawValue) with a limit of \(min(deviceLimit ?? placement.devices, placement.devices)) of "
      + "\(placement.devices) devices"
  }
}
