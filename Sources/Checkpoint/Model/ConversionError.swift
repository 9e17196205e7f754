/// Why a conversion does not begin.
public enum ConversionError: Error, Equatable, CustomStringConvertible {
  /// The destination is the source, or the base of a partial source.
  case samePlace(path: String)
  /// The hub's layout has no place for the limit that the model was made for.
  case losesLimit(source: String, destination: String, routing: String)
  /// Code was asked for, and there is no limit to apply.
  case noLimit(source: String)
  /// Code was asked for a family that transformers has no class of.
  case noCode(source: String, family: String)
  /// Code was asked for a policy that it does not implement.
  case unknownPolicy(source: String, policy: String)
  /// Code was asked for limits that differ between layers.
  case layerLimits(source: String)
  /// Code was asked for a model that brings its own.
  case hasCode(source: String)
  /// A placement was to be baked, and there is none.
  case noPlacement(source: String)
  /// A placement was to be baked into a run that can go on.
  case bakesRun(source: String)
  /// A placement was to be baked into a model whose own choice depends on the order of its experts.
  case bakesGroups(source: String)

  /// `where: expected …, found …; try …`.
  public var description: String {
    switch self {
    case .samePlace(let path):
      "\(path): expected another place than the source and its base, found the same; try another name"
    case .losesLimit(let source, let destination, let routing):
      "\(destination): expected a model without a device limit, found \(routing) in \(source), which other programs do "
        + "not know; try --with-code for a folder that transformers runs under the limit, or --allow-unlimited for the "
        + "weights alone"
    case .noLimit(let source):
      "\(source): expected a model under a device limit for --with-code, found none; try without --with-code"
    case .noCode(let source, let family):
      "\(source): expected one of \(ModelCode.supported.joined(separator: ", ")) for --with-code, found \(family), which "
        + "transformers has no class of; try --allow-unlimited for the weights alone"
    case .unknownPolicy(let source, let policy):
      "\(source): expected one of \(ModelCode.policies.map(\.rawValue).joined(separator: ", ")) for --with-code, found "
        + "\(policy), which the code does not know; try --allow-unlimited for the weights alone"
    case .layerLimits(let source):
      "\(source): expected one device_limit for --with-code, found limits that differ between layers; "
        + "try --allow-unlimited for the weights alone"
    case .hasCode(let source):
      "\(source): expected a configuration without code of its own for --with-code, found auto_map; try removing it"
    case .noPlacement(let source):
      "\(source): expected a model with a placement for --bake-placement, found none; try a checkpoint with routing, "
        + "such as the final.h5 of a run"
    case .bakesRun(let source):
      "\(source): expected a finished model for --bake-placement, found the state of a run, whose moments are in the "
        + "order of the experts; try the run's final.h5"
    case .bakesGroups(let source):
      "\(source): expected a model that chooses among all experts for --bake-placement, found topk_method "
        + "group_limited_greedy, whose groups are the order of the experts; try without --bake-placement"
    }
  }
}
