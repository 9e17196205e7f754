// swift-tools-version: 6.1
import PackageDescription

/// Language settings shared by every Swift target.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// The numeric ground floor is optimised in debug builds too, or tests would take forever. `precondition` stays.
let optimised: [SwiftSetting] = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
  name: "Occult",
  targets: [
    .systemLibrary(name: "COpenBLAS"),
    .systemLibrary(
      name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .target(
      name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=fast"])],
      linkerSettings: [.linkedLibrary("m")]),
    .target(name: "Tensors", dependencies: ["CKernels", "COpenBLAS"], swiftSettings: optimised),
    .target(name: "Collaboration", swiftSettings: optimised),
    .target(name: "Models", dependencies: ["Tensors", "Collaboration"], swiftSettings: strict),
    .target(
      name: "Checkpoint", dependencies: ["Models", "Tensors", "Collaboration", "CHDF5"], swiftSettings: strict),
    .target(name: "Text", swiftSettings: strict),
    .testTarget(name: "ModelsTests", dependencies: ["Models", "Checkpoint"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
