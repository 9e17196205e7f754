internal import Profiles
internal import ExpertParallel
internal import Formats

/// What `CommunicationBenchmark` found.
public struct CommunicationReport: Sendable, Encodable {
  /// Seconds of the slowest rank.
  public struct Time: Sendable, Encodable {
    /// Middle of the rounds.
    public let seconds: Double
    /// The same with nothing on the wire.
    public let compute: Double
    /// compute / seconds
    public let share: Double
    /// Seconds of `contiguous` over these, round by round: the middle.
    public internal(set) var gain: Double?
    /// Rounds.
    let rounds: [Double]

    private enum CodingKeys: String, CodingKey { case seconds, compute, share, gain, rounds }

    init(_ rounds: [Double], without rehearsals: [Double]) {
      self.rounds = rounds
      seconds = BenchmarkReport.Rates(rounds).median
      compute = BenchmarkReport.Rates(rehearsals).median
      share = compute / seconds
    }
  }

  /// One rule on one placement.
  public struct Row: Sendable, Encodable {
    /// What it is called.
    public let name: String
    /// Whether a row is sent once for each device or each expert.
    public let dispatch: String
    /// How experts are placed.
    public let placement: String
    /// L
    public let deviceLimit: Int?
    /// N of the way that rows take: 1 where they go to their devices directly.
    public let nodes: Int
    /// Whether experts work on rows that are here while others travel.
    public let overlap: Bool
    /// C_T
    public let devicesPerToken: Double
    /// Rows that cross the wire per token and direction, by `dispatch` and `nodes`.
    public let remoteCopies: Double
    /// Those of them that cross between the nodes of the report.
    public let copiesBetweenNodes: Double
    /// Rows on the busiest link, out of one rank or into it, per token of a rank.
    public let busiestCopies: Double
    /// max/mean over devices of expert rows, and of rows received.
    public let imbalanceRows, imbalanceWire: Double
    /// tokens × copies × H × bytes of an element: what every direction should send as rows.
    public let formulaBytes: Int
    /// The same between nodes.
    public let formulaBytesBetween: Int
    /// Bytes that were passed to MPI, of all ranks together, by direction and purpose.
    public internal(set) var bytes: [String: [String: Int]] = [:]
    /// Those of them that crossed between nodes.
    public internal(set) var bytesBetween: [String: [String: Int]] = [:]
    /// By `CommunicationBenchmark.Measure`.
    public internal(set) var times: [String: Time] = [:]

    /// Whether time is held against copies.
    var isFitted = true

    private enum CodingKeys: String, CodingKey {
      case name, dispatch, placement, nodes, overlap, bytes, times
      case deviceLimit = "device_limit"
      case copiesBetweenNodes = "copies_between_nodes"
      case formulaBytesBetween = "formula_bytes_between_nodes"
      case bytesBetween = "bytes_between_nodes"
      case devicesPerToken = "devices_per_token"
      case remoteCopies = "remote_copies"
      case busiestCopies = "busiest_copies"
      case imbalanceRows = "imbalance_rows"
      case imbalanceWire = "imbalance_wire"
      case formulaBytes = "formula_bytes"
    }

    /// Bytes of rows, one number for each direction that differs from the others.
    public var rowBytes: [Int] { Set(bytes.values.compactMap { $0["rows"] }).sorted() }
    /// The same of those between nodes.
    public var rowBytesBetween: [Int] { Set(bytesBetween.values.compactMap { $0["rows"] }).sorted() }
    /// Bytes of metadata, all directions together.
    public var metadataBytes: Int { bytes.values.reduce(0) { $0 + ($1["metadata"] ?? 0) } }
    /// Those of them between nodes.
    public var metadataBytesBetween: Int { bytesBetween.values.reduce(0) { $0 + ($1["metadata"] ?? 0) } }
  }

  /// D
  public let devices: Int
  /// N
  public let nodes: Int
  /// Sizes in words.
  public let shape: String
  /// One a variant.
  public let rows: [Row]
  /// Seconds against remote copies, over all variants, by measure; `step` has too few.
  public let fits: [String: LinearFit]
  /// Seconds against copies on the busiest link.
  public let busiestFits: [String: LinearFit]

  private enum CodingKeys: String, CodingKey {
    case devices, nodes, shape, rows, fits
    case busiestFits = "busiest_fits"
  }

  init(_ benchmark: CommunicationBenchmark, _ profile: LayerProfile, _ found: [Row], devices: Int) {
    (self.devices, nodes) = (devices, benchmark.nodes)
    shape =
      "\(counted(benchmark.tokens, "token")) a rank, hidden \(benchmark.hidden), \(counted(profile.experts, "expert")) of "
      + "\(benchmark.intermediate), top \(profile.topK), \(benchmark.options.wire.rawValue) on the wire"
    var rows = found
    let baseline = rows.first { $0.name == "contiguous" }
    for index in rows.indices {
      for (measure, time) in rows[index].times {
        guard let base = baseline?.times[measure] else { continue }
        rows[index].times[measure]?.gain = BenchmarkReport.Rates(zip(base.rounds, time.rounds).map { $0 / $1 }).median
      }
    }
    self.rows = rows
    func fits(_ x: (Row) -> Double) -> [String: LinearFit] {
      var fits: [String: LinearFit] = [:]
      let rows = rows.filter(\.isFitted)
      for measure in benchmark.measures where measure != .step {
        fits[measure.rawValue] = LinearFit(rows.map(x), rows.compactMap { $0.times[measure.rawValue]?.seconds })
      }
      return fits
    }
    self.fits = fits(\.remoteCopies)
    busiestFits = fits(\.busiestCopies)
  }
}
