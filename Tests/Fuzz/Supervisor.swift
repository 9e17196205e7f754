import Foundation

/// Runs the loop in a child process, and says where the input lies that brought it down.
struct Supervisor {
  private let options: Options
  /// A child that has not moved on for so long hangs; a disk that is busy makes a resumed run wait for seconds.
  private static let patience = 60.0

  init(_ options: Options) { self.options = options }

  /// Returns the exit status: 0 if nothing was found.
  func run() throws -> Int32 {
    try FileManager.default.createDirectory(atPath: options.folder, withIntermediateDirectories: true)
    try? FileManager.default.removeItem(atPath: Worker.beat(options))
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    child.arguments = [
      "--work", "--seconds", "\(options.seconds)", "--seed", "\(options.seed)", "--folder", options.folder,
    ]
    // One thread: waiting for another one costs more than such small files do.
    child.environment = ProcessInfo.processInfo.environment.merging(["OCCULT_THREADS": "1"]) { $1 }
    try child.run()
    defer { try? FileManager.default.removeItem(atPath: Samples.folder(of: child.processIdentifier)) }
    var (last, since) = ("", Date())
    while child.isRunning {
      usleep(100_000)
      let beat = beat
      if beat != last { (last, since) = (beat, Date()) }
      if Date().timeIntervalSince(since) > Self.patience {
        kill(child.processIdentifier, SIGKILL)
        child.waitUntilExit()
        return try report("hung for \(Int(Self.patience)) s")
      }
    }
    guard child.terminationReason == .uncaughtSignal else {
      return child.terminationStatus == 0 ? 0 : try report(nil)
    }
    return try report("was ended by signal \(child.terminationStatus)")
  }

  /// The number of the current input and the name of its file.
  private var beat: String { (try? String(contentsOfFile: Worker.beat(options), encoding: .utf8)) ?? "" }

  /// Keeps the current input, once nobody writes any more, under a name of its own.
  private func report(_ what: String?) throws -> Int32 {
    let beat = beat
    let name = beat.split(separator: " ").last.map(String.init) ?? ""
    let current = options.folder + "/" + name
    guard !name.isEmpty, FileManager.default.fileExists(atPath: current) else { return 1 }
    let kept = options.folder + "/found-\(options.seed)-\(beat.split(separator: " ").first ?? "0")-\(name)"
    try? FileManager.default.removeItem(atPath: kept)
    try FileManager.default.copyItem(atPath: current, toPath: kept)
    if let what { print("fuzz: the reader \(what)") }
    print("fuzz: the input is \(kept); again with: --reproduce \(kept)")
    return 1
  }
}
