import Formats
import Placements
import Routing
import Foundation

/// The loop: choose a reader and a sound input, damage the input, read it, look at clock and memory.
struct Worker {
  private let options: Options
  private var readers: [any Reader]
  /// What one input may cost, in processor time since other programs may be busy. Sound inputs take milliseconds.
  private static let mostSeconds = 1.0
  private static let mostGrowth = 256 << 20

  init(_ options: Options) throws {
    self.options = options
    readers = try Self.allReaders()
  }

  /// Everything that is read from outside.
  static func allReaders() throws -> [any Reader] {
    var readers: [any Reader] = try [
      SafetensorsReading(), SafetensorsReading(), IndexReading(), ConfigurationReading(), TokenizerReading(),
      RecipeReading(), CheckpointReading(), RecordingReading(lines: false), RecordingReading(lines: true),
      TaskFileReading(), EvaluationReading(samples: true), EvaluationReading(samples: false),
      ProfileReading(), ProfileReading(), PlacementReading(), PlanReading(topology: true),
      PlanReading(topology: false), SentencePieceReading(), AdapterReading("adapter_config.json"),
      AdapterReading("adapter_model.safetensors"),
    ]
    readers += try TokenizerSideReading.all()
    readers += try TaskDataReading.all()
    readers += try DataRowsReading.all()
    readers += try RunFolderReading.all()
    return readers
  }

  /// The file that tells the supervisor which input is being read.
  static func beat(_ options: Options) -> String { options.folder + "/beat" }

  func run() throws {
    // What is allocated because a header says so must fail here, not on a user's machine.
    var limit = rlimit(rlim_cur: 8 << 30, rlim_max: 8 << 30)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    var random = SplitMix64(seed: options.seed)
    let began = Date()
    var (count, refused, slowest) = (0, 0, 0.0)
    var costs: [String: (inputs: Int, seconds: Double)] = [:]
    while Date().timeIntervalSince(began) < options.seconds {
      let reader = readers[random.below(readers.count)]
      var input = reader.corpus[random.below(reader.corpus.count)]
      for _ in 0...random.below(3) { reader.mutate(&input, &random) }
      let path = options.folder + "/" + reader.fileName
      try save(input, path)
      try save(Array("\(count) \(reader.fileName)".utf8), Self.beat(options))
      let (threw, seconds, growth) = try measure(reader, path)
      count += 1
      refused += threw ? 1 : 0
      slowest = max(slowest, seconds)
      costs[reader.fileName, default: (0, 0)].inputs += 1
      costs[reader.fileName, default: (0, 0)].seconds += seconds
      if seconds > Self.mostSeconds { fail("took \(seconds) s") }
      if growth > Self.mostGrowth { fail("took \(growth >> 20) MiB") }
    }
    print(
      "fuzz: \(count) inputs in \(Int(options.seconds)) s from seed \(options.seed), \(refused) refused, "
        + "none slower than \((slowest * 1000).rounded() / 1000) s")
    for (name, cost) in costs.sorted(by: { $0.key < $1.key }) {
      print("fuzz: \(name): \(cost.inputs) inputs, \(Int(Double(cost.inputs) / max(cost.seconds, 1e-9))) a second")
    }
  }

  /// Writes a file without waiting for the disk: it has to outlive this process, not the machine.
  private func save(_ bytes: [UInt8], _ path: String) throws {
    guard let file = fopen(path, "w"), fwrite(bytes, 1, bytes.count, file) == bytes.count, fclose(file) == 0 else {
      throw Options.Failure(
        description: "\(path): expected to write the input, found '\(String(cString: strerror(errno)))'")
    }
  }

  /// Reads one input again and says what comes of it.
  func reproduce(_ path: String) throws {
    let name = (path as NSString).lastPathComponent
    guard let reader = readers.first(where: { name.hasSuffix($0.fileName) }) else {
      throw Options.Failure(
        description: "\(path): expected a name that ends in one of \(readers.map(\.fileName).joined(separator: ", "))")
    }
    defer { try? FileManager.default.removeItem(atPath: Samples.folder(of: getpid())) }
    do {
      try reader.read(path)
      print("fuzz: read without an error")
    } catch {
      print("fuzz: \(error)")
    }
  }

  private func measure(_ reader: any Reader, _ path: String) throws -> (threw: Bool, seconds: Double, growth: Int) {
    let before = Self.usage
    var threw = false
    do { try reader.read(path) } catch { threw = true }
    let after = Self.usage
    return (threw, after.seconds - before.seconds, after.peak - before.peak)
  }

  private func fail(_ what: String) -> Never {
    print("fuzz: the reader \(what)")
    exit(1)
  }

  /// Processor time and the most memory that this process has used.
  static var usage: (seconds: Double, peak: Int) {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    let times = [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) + Double($0.tv_usec) / 1e6 }
    return (times[0] + times[1], usage.ru_maxrss * 1024)
  }
}
