public import ArgumentParser
import Checkpoint
internal import Routing
import Models

/// A model, and routing over what its checkpoint holds.
struct ModelOptions: ParsableArguments {
  @Argument(help: "A checkpoint (.h5) or a Hugging Face folder.", completion: .file())
  var model: String

  @OptionGroup var routing: RoutingOptions
}

/// Routing over what a checkpoint holds.
struct RoutingOptions: ParsableArguments {
  @Option(
    help: "Number of devices; experts lie on them in their own order unless --placement says otherwise.",
    transform: count)
  var devices: Int?

  @Option(help: "Which device holds which expert: a file written by 'occult place'.", completion: .file())
  var placement: String?

  @Option(
    help:
      "How tokens are brought within the limit: \(RoutingPolicy.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var policy: RoutingPolicy?

  @Option(
    help: "Most devices a token may use: a number, one for each MoE layer like 2,1,2, or 'none' to lift the limit.")
  var deviceLimit: DeviceLimit?

  @Option(
    name: .customLong("profile"),
    help: "A file written by 'occult profile'; policies that need a table make it from there.", completion: .file())
  var tables: String?

  /// As the libraries take it.
  var overrides: RoutingOverrides {
    RoutingOverrides(
      devices: devices, placement: placement, policy: policy, deviceLimit: deviceLimit?.limit, profile: tables)
  }
}

/// `none`, a number of devices, or one for each layer.
struct DeviceLimit: ExpressibleByArgument {
  let limit: RoutingOverrides.Limit

  init?(argument: String) {
    if argument == "none" {
      limit = .none
    } else if let number = try? count(argument) {
      limit = .devices(number)
    } else {
      let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { try? count(String($0)) }
      guard numbers.count > 1, numbers.allSatisfy({ $0 != nil }) else { return nil }
      limit = .layers(numbers.compactMap(\.self))
    }
  }
}

extension RoutingPolicy: ExpressibleByArgument {}
