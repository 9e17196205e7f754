public import ArgumentParser
import Checkpoint
public import Collaboration
import Models

/// A model, and routing over what its checkpoint holds.
struct ModelOptions: ParsableArguments {
  @Argument(help: "A checkpoint (.h5) or a Hugging Face folder.", completion: .file())
  var model: String

  @OptionGroup var routing: RoutingOptions
}

/// Routing over what a checkpoint holds.
struct RoutingOptions: ParsableArguments {
  @Option(help: "Number of devices; experts lie on them in their own order unless --placement says otherwise.")
  var devices: Int?

  @Option(help: "Which device holds which expert: a file written by 'occult place'.", completion: .file())
  var placement: String?

  @Option(
    help:
      "How tokens are brought within the limit: \(RoutingPolicy.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var policy: RoutingPolicy?

  @Option(help: "Most devices a token may use, or 'none' to lift the limit.")
  var deviceLimit: DeviceLimit?

  /// As the libraries take it.
  var overrides: RoutingOverrides {
    RoutingOverrides(devices: devices, placement: placement, policy: policy, deviceLimit: deviceLimit?.limit)
  }
}

/// `none` or a number of devices.
struct DeviceLimit: ExpressibleByArgument {
  let limit: RoutingOverrides.Limit

  init?(argument: String) {
    if argument == "none" {
      limit = .none
    } else if let number = Int(argument) {
      limit = .devices(number)
    } else {
      return nil
    }
  }
}

extension RoutingPolicy: ExpressibleByArgument {}
