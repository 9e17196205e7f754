import ArgumentParser
import Benchmarks
import Evaluation

extension Bench {
  /// The routing decision.
  struct RoutingTimes: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "routing", abstract: "The routing decision under every policy, beside the MoE layer it is made for.",
      discussion: """
        The defaults are the shape of OLMoE-1B-7B, which takes 1.7 GiB; share is what a policy adds to the layer's time.

        Example:
          occult bench routing --steps 20
        """)

    @Option(help: "Width of the hidden states. (default: 2048)", transform: count) var hidden = 2048
    @Option(help: "Experts in a layer. (default: 64)", transform: count) var experts = 64
    @Option(help: "Width of one expert. (default: 1024)", transform: count) var intermediate = 1024
    @Option(help: "Experts a token. (default: 8)", transform: count) var topK = 8
    @Option(help: "Tokens at a time. (default: 1024)", transform: count) var tokens = 1024
    @Option(help: "Devices that experts lie on. (default: 4)", transform: count) var devices = 4
    @Option(help: "Most devices a token may use. (default: 2)", transform: count) var deviceLimit = 2
    @Option(help: "Timed repetitions. (default: 20)", transform: count) var steps = 20
    @OptionGroup var output: OutputOptions

    func validate() throws {
      try expectPositive([
        ("--hidden", hidden), ("--experts", experts), ("--intermediate", intermediate), ("--top-k", topK),
        ("--tokens", tokens), ("--devices", devices), ("--device-limit", deviceLimit), ("--steps", steps),
      ])
    }

    func run() throws {
      var shape = BenchmarkShape()
      (shape.hidden, shape.experts, shape.intermediate, shape.topK) = (hidden, experts, intermediate, topK)
      (shape.sequence, shape.heads, shape.vocabulary) = (tokens, 1, 1024)
      let report = try RoutingBenchmark(shape, devices: devices, deviceLimit: deviceLimit, steps: steps).run()
      if output.json { return try OutputOptions.print(report) }
      let cells = report.rows.map {
        [
          $0.policy, fixed($0.milliseconds, 3), fixed($0.added, 3), fixed($0.share * 100, 2) + " %",
          fixed($0.devicesPerToken),
        ]
      }
      print("MoE layer: \(fixed(report.layerMilliseconds, 1)) ms (\(report.shape))\n")
      print(
        TextTable(heads: ["policy", ">decision ms", ">added ms", ">share", ">devices_per_token"], rows: cells).text)
    }
  }
}
