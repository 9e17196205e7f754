// swift-tools-version: 6.1
import PackageDescription

/// Language settings shared by every Swift target.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// The numeric ground floor is optimised in debug builds too, or tests would take forever. `precondition` stays.
let optimised: [SwiftSetting] = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// Evaluation tasks that are part of the program; their files lie where users look for examples.
let tasks = [
  "arc_challenge", "arc_easy", "boolq", "commonsense_qa", "copa", "gsm8k", "hellaswag", "hellaswag_2way",
  "lambada_openai", "logiqa", "mathqa", "mmlu", "openbookqa", "piqa", "rte", "sciq", "truthfulqa_mc1", "wikitext",
  "winogrande", "wsc",
]

let package = Package(
  name: "Occult",
  products: [
    .executable(name: "occult", targets: ["occult"]),
    .library(name: "Collaboration", targets: ["Routing", "Profiles", "Placements"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // The ground: C under a thin skin.
    .systemLibrary(name: "COpenBLAS"),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .target(
      name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=fast"])],
      linkerSettings: [.linkedLibrary("m")]),

    .target(name: "CChecksum", cSettings: [.unsafeFlags(["-O3"])]),

    .target(name: "Formats", swiftSettings: optimised),
    .target(name: "Host", swiftSettings: strict),
    .target(name: "Files", dependencies: ["Formats", "Host", "CChecksum"], swiftSettings: optimised),
    .target(name: "Tensors", dependencies: ["Host", "CKernels", "COpenBLAS"], swiftSettings: optimised),
    .target(name: "Routing", dependencies: ["Formats"], swiftSettings: optimised),
    .target(name: "Profiles", dependencies: ["Routing", "Formats"], swiftSettings: optimised),
    .target(name: "Placements", dependencies: ["Profiles", "Routing", "Formats"], swiftSettings: optimised),
    .target(
      name: "Models", dependencies: ["Host", "Tensors", "Placements", "Profiles", "Routing", "Formats"],
      swiftSettings: strict),
    .target(
      name: "ExpertParallel", dependencies: ["Models", "Tensors", "Placements", "Routing", "CMPI"],
      swiftSettings: strict),
    .target(name: "Text", dependencies: ["Formats"], swiftSettings: optimised),
    .target(
      name: "Checkpoint",
      dependencies: ["Files", "Host", "Models", "Tensors", "Placements", "Profiles", "Routing", "Formats", "CHDF5"],
      resources: [.embedInCode("HuggingFace/Templates/modeling_occult.py")], swiftSettings: strict),
    .target(
      name: "Training",
      dependencies: [
        "Files", "Host", "ExpertParallel", "Models", "Tensors", "Placements", "Profiles", "Routing", "Checkpoint",
        "Text", "Formats",
        "Yams",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ], exclude: ["Metrics/tensorboard.proto"], swiftSettings: strict),
    .target(
      name: "TaskFiles", path: "recipes/tasks", resources: tasks.map { .embedInCode("\($0).yaml") },
      swiftSettings: strict),
    .target(
      name: "Evaluation",
      dependencies: [
        "Files", "Host", "TaskFiles", "Training", "ExpertParallel", "Checkpoint", "Text", "Models", "Tensors",
        "Placements", "Profiles",
        "Routing",
        "Formats",
      ],
      swiftSettings: strict),
    .target(
      name: "Benchmarks",
      dependencies: [
        "Files", "Host", "Training", "ExpertParallel", "Checkpoint", "Text", "Models", "Tensors", "Placements",
        "Profiles",
        "Routing",
        "Formats",
      ], swiftSettings: strict),
    .executableTarget(
      name: "occult",
      dependencies: [
        "Files", "Host", "Benchmarks", "Evaluation", "Training", "ExpertParallel", "Checkpoint", "Text", "Models",
        "Placements",
        "Profiles", "Routing", "Tensors", "Formats",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),

    // What several ranks compute against one process: started by `mpirun` in ExpertParallelTests.
    .executableTarget(
      name: "Ranks",
      dependencies: ["ExpertParallel", "Models", "Tensors", "Placements", "Routing", "Formats"],
      path: "Tests/Ranks",
      swiftSettings: strict),

    // Damaged files for the readers: `make fuzz`.
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "Files", "Checkpoint", "Models", "Text", "Training", "Placements", "Profiles", "Routing", "Evaluation",
        "Extremes",
        "Formats",
      ],
      path: "Tests/Fuzz", swiftSettings: strict),
    // Faults at every system call of the command: `make faults`, and a sample of it in OccultTests.
    .executableTarget(
      name: "Faults", dependencies: ["Checkpoint", "Models", "Routing", "Formats"],
      path: "Tests/Faults",
      exclude: ["preload.c"], swiftSettings: strict),
    // What several test targets share.
    .target(
      name: "TestSupport", dependencies: ["Profiles", "Routing", "Formats"], path: "Tests/Support",
      swiftSettings: strict),
    // Numbers at the ends of what types hold, for files, recipes and options.
    .target(name: "Extremes", path: "Tests/Extremes", swiftSettings: strict),

    .testTarget(name: "FuzzTests", dependencies: ["Fuzz", "Extremes"], swiftSettings: strict),
    .testTarget(name: "FormatsTests", dependencies: ["Formats"], swiftSettings: strict),
    .testTarget(
      name: "TensorsTests", dependencies: ["Host", "Tensors", "CKernels", "TestSupport", "Formats"],
      swiftSettings: strict),
    .testTarget(name: "HostTests", dependencies: ["Host"], swiftSettings: strict),
    .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "RoutingTests", dependencies: ["Placements", "Profiles", "Routing", "TestSupport", "Formats"],
      swiftSettings: strict),
    .testTarget(
      name: "ProfilesTests", dependencies: ["Placements", "Profiles", "Routing", "Formats", "TestSupport"],
      exclude: ["Oracles"],
      swiftSettings: strict),
    .testTarget(
      name: "PlacementsTests", dependencies: ["Placements", "Profiles", "Routing", "TestSupport", "Formats"],
      swiftSettings: strict),
    .testTarget(
      name: "ModelsTests",
      dependencies: ["Formats", "Routing", "Tensors", "Models", "Checkpoint", "Placements", "Extremes"],
      exclude: ["Oracles", "Configurations"],
      swiftSettings: strict),
    .testTarget(
      name: "TextTests", dependencies: ["Text", "Formats", "TestSupport"], exclude: ["Oracles"], swiftSettings: strict),
    .testTarget(
      name: "CheckpointTests",
      dependencies: [
        "Files", "Host", "Placements", "Profiles", "Routing", "Checkpoint", "Models", "Tensors", "CHDF5", "Formats",
        "TestSupport",
      ],
      exclude: ["Fixtures"],
      swiftSettings: strict),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Files", "Host", "Training", "ExpertParallel", "Checkpoint", "Models", "Text", "Tensors", "Placements",
        "Profiles", "Routing",
        "Extremes",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"), "Formats",
      ],
      exclude: ["check_tensorboard.py"], swiftSettings: strict),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Files", "Placements", "Routing", "Evaluation", "Training", "Checkpoint", "Models", "Text",
        "Formats",
      ],
      exclude: ["Fixtures", "Oracles"], swiftSettings: strict),
    .testTarget(
      name: "BenchmarksTests",
      dependencies: ["Benchmarks", "ExpertParallel", "Models", "Profiles", "Routing", "Formats"],
      swiftSettings: strict),
    .testTarget(
      name: "ExpertParallelTests", dependencies: ["ExpertParallel", "Ranks", "Tensors", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "OccultTests",
      dependencies: [
        "occult", "Faults", "Checkpoint", "Models", "Routing", "TestSupport", "Text",
        "Formats",
      ],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
