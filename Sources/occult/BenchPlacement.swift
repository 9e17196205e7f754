internal import Placements
internal import Profiles
import ArgumentParser
import Checkpoint
import Benchmarks
import Evaluation
import Formats
import Foundation

extension Bench {
  /// Placement methods.
  struct PlacementTimes: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "placement",
      abstract: "Placement methods, fitted on one half of the tokens and judged on the other.",
      discussion: """
        Halves are cut between blocks of at least 200 tokens. held_out and novel (sets that the first half does not hold) \
        are devices per token; us/token is the forward time of a layer by the model of 'occult plan', devices on PCIe; 'refined at equal imbalance' is \
        refined under the rival's own imbalance as load cap, minus the rival, with the 95 % interval over blocks. gpmetis \
        (Debian's package metis) takes part where it is installed.

        Example:
          occult bench placement --trace routing.jsonl --devices 2 4 8
        """)

    @Option(parsing: .upToNextOption, help: "Recorded routing (JSONL).", completion: .file())
    var trace: [String] = []

    @Option(help: "A profile with recorded sets (.h5).", completion: .file())
    var profile: String?

    @Option(
      parsing: .upToNextOption, help: "Numbers of devices; those that do not divide E are left out. (default: 2, 4, 8)",
      transform: count)
    var devices = [2, 4, 8]

    @Option(help: "Seed of placements and intervals.")
    var seed: UInt64 = 0

    @Flag(help: "Also a draw of the null model of each layer: the same loads, no structure.")
    var null = false

    @Option(
      help: "Draws of small layers that are compared with exact search; 0 leaves it out. (default: 3)", transform: count
    )
    var exact = 3

    @OptionGroup var output: OutputOptions

    func validate() throws {
      if trace.isEmpty, profile == nil {
        throw ValidationError("placement: expected --trace or --profile, found neither")
      }
      if devices.contains(where: { !(1...64).contains($0) }) {
        throw ValidationError("--devices: expected 1...64, found \(devices.map(String.init).joined(separator: ", "))")
      }
    }

    func run() throws {
      var benchmark = PlacementBenchmark()
      benchmark.seed = seed
      if benchmark.metis == nil { note("gpmetis: not found; METIS is left out") }
      var layers: [(String, LayerProfile)] = []
      for path in trace {
        let recording = try RecordedRouting(path: path)
        for line in recording.warnings + recording.dropped.map(\.description) { note("warning: \(line)") }
        layers += recording.profile.layers.map { (URL(fileURLWithPath: path).lastPathComponent, $0) }
      }
      if let profile { layers += try ProfileFile.read(profile).layers.map { ("layer \($0.layer)", $0) } }
      for (_, layer) in layers where layer.recorded == 0 { throw PlacementError.noRecordedSets(layer: layer.layer) }
      var rows: [PlacementBenchmark.Row] = []
      for (name, layer) in layers {
        for count in devices where layer.experts % count == 0 {
          rows += try benchmark.run(layer, data: name, devices: count)
          if null { rows += try benchmark.run(layer, data: name, devices: count, nullModel: true) }
        }
      }
      let exactness = exact > 0 ? try benchmark.exactness(draws: exact) : nil
      let bars = PlacementBars(rows)
      if output.json { return try OutputOptions.print(Result(rows: rows, bars: bars, exactness: exactness)) }
      var table = TextTable(heads: [
        "data", ">D", "method", ">fitted", ">held_out", ">novel", ">imbalance", ">us/token", ">seconds",
        "refined at equal imbalance", "on novel sets",
      ])
      func interval(_ values: [Double]?) -> String {
        values.map { "\(fixed($0[0])) [\(fixed($0[1])), \(fixed($0[2]))]" } ?? ""
      }
      for row in rows {
        table.rows.append([
          row.data + (row.nullModel ? " (null)" : ""), "\(row.devices)", row.method, fixed(row.fitted),
          fixed(row.heldOut), fixed(row.novel),
          fixed(row.imbalance), fixed(row.microseconds), fixed(row.seconds, 2), interval(row.refinedAtEqualImbalance),
          interval(row.refinedAtEqualImbalanceNovel),
        ])
      }
      print(table.text + "\n")
      for bar in bars.ratios {
        print(
          "D = \(bar.devices): refined / occult, geometric mean of \(bar.layers): held-out devices per token without a cap "
            + "\(fixed(bar.devicesPerToken)), layer time with cap 1.10 \(fixed(bar.time))")
      }
      print("refined worse than a rival at equal imbalance, beyond the interval: \(bars.worse) of \(bars.compared)")
      if let exactness {
        print(
          "exact search on \(counted(exactness.layers, "layer")) of 8 to 16 experts: refined at most \(fixed(exactness.worstRatio, 4)) "
            + "of the optimum; optimum \(fixed(exactness.leastBound, 4)) to \(fixed(exactness.worstBound, 4)) of the bound"
        )
      }
    }

    private struct Result: Encodable {
      let rows: [PlacementBenchmark.Row]
      let bars: PlacementBars
      let exactness: PlacementBenchmark.Exactness?
    }
  }
}
