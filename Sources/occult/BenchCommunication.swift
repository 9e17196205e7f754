internal import Profiles
public import ArgumentParser
import Checkpoint
internal import Routing
public import Benchmarks
import Evaluation
public import ExpertParallel
import Formats
import Training

extension Bench {
  /// `occult bench communication`.
  struct CommunicationTimes: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "communication",
      abstract: "Bytes and time between ranks under rules and placements: a MoE layer, and a whole training step.",
      discussion: """
        Ranks are devices. Tokens choose what the last recorded tokens chose; placements are fitted to those before. The \
        defaults are a layer in which links of 100 mbit/s take most of the time. 'compute' is the share of the same run \
        without the wire; 'gain' is the time of 'contiguous' over the variant's. scripts/limited_links.sh makes such links.

        Example:
          mpirun -n 4 occult bench communication --profile P.h5 --layer 3
        """)

    @Option(help: "A profile with recorded sets (.h5).", completion: .file())
    var profile: String?

    @Option(help: "Recorded routing (JSONL).", completion: .file())
    var trace: String?

    @Option(help: "Absolute number of the layer; the first recorded one if left out.", transform: count)
    var layer: Int?

    @Option(help: "Width of the hidden states. (default: 1024)", transform: count) var hidden = 1024
    @Option(help: "Width of one expert. (default: 16)", transform: count) var intermediate = 16
    @Option(help: "Blocks of the model whose whole step is run. (default: 2)", transform: count) var layers = 2
    @Option(help: "Number of attention heads. (default: 8)", transform: count) var heads = 8
    @Option(help: "Size of the vocabulary. (default: 512)", transform: count) var vocabulary = 512
    @Option(help: "Tokens of each rank. (default: 256)", transform: count) var tokens = 256
    @Option(help: "Timed rounds; each runs every variant. (default: 5)", transform: count) var rounds = 5
    @Option(help: "Seed of placements and weights.") var seed: UInt64 = 0
    @Option(help: "Most max/mean load of the refined placement. (default: 1.10)", transform: number) var loadCap = 1.10
    @Option(
      help: "Nodes that the ranks are on, a divisor of their number; 2 of 4, 6, … ranks if left out.", transform: count)
    var nodes: Int?
    @Option(help: "Elements on the wire: float32 or bfloat16.") var wire = DispatchOptions.Wire.float32

    @Option(parsing: .upToNextOption, help: "What is timed: forward, backward (both passes of a layer), step.")
    var measures = CommunicationBenchmark.Measure.allCases

    @OptionGroup var output: OutputOptions

    func validate() throws {
      try expectPositive([
        ("--hidden", hidden), ("--intermediate", intermediate), ("--layers", layers), ("--heads", heads),
        ("--vocabulary", vocabulary), ("--tokens", tokens), ("--rounds", rounds), ("--nodes", nodes ?? 1),
      ])
      if (trace == nil) == (profile == nil) {
        throw ValidationError(
          "communication: expected one of --trace and --profile, found \(trace == nil ? "neither" : "both")")
      }
      if !(loadCap >= 1) { throw ValidationError("--load-cap: expected at least 1, found \(loadCap)") }
      if hidden % (2 * heads) != 0 {
        throw ValidationError("--hidden: expected an even multiple of \(counted(heads, "head")), found \(hidden)")
      }
      if !MPICommunicator.isLaunched {
        throw ValidationError(
          "communication: expected several ranks, found one process; try mpirun -n 4 occult bench communication …")
      }
    }

    func run() throws {
      let ranks = try RankGroup.join()
      let report = try ranks.together {
        let benchmark = try benchmark(devices: ranks.size)
        let layer = try recording(benchmark, devices: ranks.size)
        let line = ranks.rank == 0 ? ProgressLine(label: "communication", total: rounds, unit: "rounds") : nil
        defer { line?.finish() }
        return try benchmark.run(layer, over: ranks) { line?.update($0) }
      }
      if ranks.rank == 0 { try output.json ? OutputOptions.print(report) : show(report) }
      ranks.barrier()
      ranks.finish()
    }

    private func benchmark(devices: Int) throws -> CommunicationBenchmark {
      let nodes = nodes ?? (devices > 2 && devices.isMultiple(of: 2) ? 2 : 1)
      if devices % nodes != 0 {
        throw ValidationError("--nodes: expected a divisor of \(counted(devices, "rank")), found \(nodes)")
      }
      var benchmark = CommunicationBenchmark()
      (benchmark.hidden, benchmark.intermediate, benchmark.layers) = (hidden, intermediate, layers)
      (benchmark.heads, benchmark.vocabulary, benchmark.tokens) = (heads, vocabulary, tokens)
      (benchmark.rounds, benchmark.seed, benchmark.loadCap) = (rounds, seed, loadCap)
      benchmark.nodes = nodes
      benchmark.options = DispatchOptions(wire: wire)
      benchmark.measures = CommunicationBenchmark.Measure.allCases.filter(measures.contains)
      return benchmark
    }

    /// The layer whose choices are replayed.
    private func recording(_ benchmark: CommunicationBenchmark, devices: Int) throws -> LayerProfile {
      let path = profile ?? trace ?? ""
      let all = try profile.map { try ProfileFile.read($0).layers } ?? RecordedRouting(path: path).profile.layers
      guard let found = layer == nil ? all.first : all.first(where: { $0.layer == layer }) else {
        throw ValidationError(
          "--layer: expected one of \(all.map { "\($0.layer)" }.joined(separator: ", ")), found \(layer ?? 0)")
      }
      guard devices > 1, found.experts % devices == 0 else {
        throw ValidationError(
          "mpirun: expected at least two ranks that divide \(counted(found.experts, "expert")), found \(devices); try mpirun -n 2"
        )
      }
      let needed = benchmark.recordedTokens(devices: devices)
      guard found.recorded >= needed else {
        throw ValidationError(
          "\(path): expected \(needed) recorded tokens, found \(found.recorded); try --tokens "
            + "\(found.recorded / (2 * devices))")
      }
      return found
    }

    /// What crosses between nodes and what stays inside.
    private func levels(_ report: CommunicationReport) -> String {
      var table = TextTable(heads: [
        "variant", ">copies between", ">MB a direction", ">formula", ">metadata", ">copies inside", ">MB a direction",
        ">formula", ">metadata",
      ])
      func megabytes(_ bytes: Int) -> String { fixed(Double(bytes) / 1e6) }
      for row in report.rows {
        let between = row.rowBytesBetween
        let inside = Set(
          row.bytes.keys.map { key in
            (row.bytes[key]?["rows"] ?? 0) - (row.bytesBetween[key]?["rows"] ?? 0)
          }
        ).sorted()
        let formula = row.formulaBytes - row.formulaBytesBetween
        table.rows.append([
          row.name, fixed(row.copiesBetweenNodes), between.map(megabytes).joined(separator: " "),
          between == [row.formulaBytesBetween] ? "equal" : megabytes(row.formulaBytesBetween),
          megabytes(row.metadataBytesBetween), fixed(row.remoteCopies - row.copiesBetweenNodes),
          inside.map(megabytes).joined(separator: " "), inside == [formula] ? "equal" : megabytes(formula),
          megabytes(row.metadataBytes - row.metadataBytesBetween),
        ])
      }
      return table.text
    }

    private func show(_ report: CommunicationReport) {
      var table = TextTable(heads: [
        "variant", ">devices_per_token", ">remote_copies", ">imbalance", ">on the wire", ">MB a direction", ">formula",
        ">metadata", ">ms forward", ">compute", ">gain", ">ms both", ">compute", ">gain", ">ms step", ">compute",
        ">gain",
      ])
      for row in report.rows {
        table.rows.append(
          [
            row.name, fixed(row.devicesPerToken), fixed(row.remoteCopies), fixed(row.imbalanceRows),
            fixed(row.imbalanceWire), row.rowBytes.map { fixed(Double($0) / 1e6) }.joined(separator: " "),
            row.rowBytes == [row.formulaBytes] ? "equal" : fixed(Double(row.formulaBytes) / 1e6),
            fixed(Double(row.metadataBytes) / 1e6),
          ]
            + CommunicationBenchmark.Measure.allCases.flatMap { measure -> [String] in
              guard let time = row.times[measure.rawValue] else { return ["", "", ""] }
              return [
                fixed(time.seconds * 1e3, 1), "\(fixed(time.share * 100, 0)) %", time.gain.map { fixed($0, 2) } ?? "",
              ]
            })
      }
      print("\(counted(report.devices, "rank")), \(report.shape)\n\n\(table.text)\n")
      if report.nodes > 1 { print("\(counted(report.nodes, "node")):\n\n\(levels(report))\n") }
      if let overlapped = report.rows.first(where: \.overlap) {
        let gains = CommunicationBenchmark.Measure.allCases.compactMap { measure in
          overlapped.times[measure.rawValue]?.gain.map {
            "\(measure == .backward ? "both passes" : measure.rawValue) \(fixed($0, 2))"
          }
        }
        print("gain of overlap, contiguous: \(gains.joined(separator: ", "))\n")
      }
      for (name, fits) in [("remote copies", report.fits), ("copies on the busiest link", report.busiestFits)] {
        for (measure, fit) in fits.sorted(by: { $0.key > $1.key }) {
          print(
            "\(measure): ms = \(fixed(fit.intercept * 1e3, 1)) + \(fixed(fit.slope * 1e3, 1)) · \(name) over "
              + "\(counted(fit.leftOut.count, "point")); left-out points off by at most \(fixed(fit.worst * 100, 1)) %")
        }
      }
    }
  }
}

extension CommunicationBenchmark.Measure: ExpressibleByArgument {}
extension DispatchOptions.Wire: ExpressibleByArgument {}
