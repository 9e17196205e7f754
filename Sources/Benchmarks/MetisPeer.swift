internal import Files
internal import Checkpoint
import Foundation

/// METIS, as a peer of our placement methods: the co-activation graph cut by `gpmetis` into equal groups.
public struct MetisPeer: Sendable {
  /// Where the program lies.
  public let program: String

  /// Finds `gpmetis` on the search path; `nil` where it is not installed.
  public init?() {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    guard
      let found = folders.map({ "\($0)/gpmetis" }).first(where: { FileManager.default.isExecutableFile(atPath: $0) })
    else { return nil }
    program = found
  }

  /// Cuts the graph, by k-way and by recursive bisection, and takes the lighter cut.
  ///
  /// METIS balances within a tolerance, here its smallest (0.1 %); a group that is too large all the same gives away
  /// the expert whose move costs least until all are equal.
  ///
  /// - Parameters:
  ///   - coactivation: A, `[E, E]`.
  ///   - experts: E.
  ///   - devices: D, a divisor of E.
  ///   - seed: of METIS.
  /// - Returns: π; `nil` where METIS gave no partition.
  public func place(_ coactivation: [Int64], experts: Int, devices: Int, seed: UInt64) -> [Int]? {
    if devices < 2 { return [Int](repeating: 0, count: experts) }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("occult-metis-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let graph = folder.appendingPathComponent("graph").path
    do {
      try OutputFolder.makeFolders(folder.path)
      try TextFile.write(Self.graph(coactivation, experts: experts), to: graph)
    } catch { return nil }
    let cuts = ["kway", "rb"].compactMap { scheme -> [Int]? in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: program)
      process.arguments = [
        "-ptype=\(scheme)", "-ufactor=1", "-ncuts=20", "-niter=50", "-seed=\(seed % 1_000_000)", graph, "\(devices)",
      ]
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      guard (try? process.run()) != nil else { return nil }
      process.waitUntilExit()
      guard process.terminationStatus == 0,
        let text = try? String(contentsOfFile: "\(graph).part.\(devices)", encoding: .utf8)
      else { return nil }
      guard let parts = Self.parts(text, experts: experts, devices: devices) else { return nil }
      return Self.equal(parts, coactivation, devices: devices)
    }
    return cuts.max { Self.inside($0, coactivation) < Self.inside($1, coactivation) }
  }

  /// METIS's text format: a line of sizes, then per vertex its neighbours, from 1, with weights.
  static func graph(_ coactivation: [Int64], experts: Int) -> String {
    var edges = 0
    var lines: [String] = []
    for i in 0..<experts {
      let neighbours = (0..<experts).filter { $0 != i && coactivation[i * experts + $0] > 0 }
      edges += neighbours.count
      lines.append(neighbours.map { "\($0 + 1) \(coactivation[i * experts + $0])" }.joined(separator: " "))
    }
    return "\(experts) \(edges / 2) 001\n" + lines.joined(separator: "\n") + "\n"
  }

  /// The group of each expert, a line each; `nil` for anything else.
  static func parts(_ text: String, experts: Int, devices: Int) -> [Int]? {
    let parts = text.split(separator: "\n").map { Int($0) ?? -1 }
    return parts.count == experts && parts.allSatisfy({ (0..<devices).contains($0) }) ? parts : nil
  }

  /// Evens the groups out.
  static func equal(_ parts: [Int], _ coactivation: [Int64], devices: Int) -> [Int] {
    let experts = parts.count
    var placement = parts
    func held(_ device: Int) -> Int { placement.count { $0 == device } }
    func affinity(_ expert: Int, _ device: Int) -> Int64 {
      (0..<experts).reduce(0) { $0 + (placement[$1] == device ? coactivation[expert * experts + $1] : 0) }
    }
    while let full = (0..<devices).first(where: { held($0) > experts / devices }) {
      let open = (0..<devices).filter { held($0) < experts / devices }
      let moves = (0..<experts).filter { placement[$0] == full }.flatMap { expert in
        open.map { (expert, $0, affinity(expert, full) - affinity(expert, $0)) }
      }
      guard let best = moves.min(by: { $0.2 < $1.2 }) else { break }
      placement[best.0] = best.1
    }
    return placement
  }

  private static func inside(_ placement: [Int], _ coactivation: [Int64]) -> Int64 {
    let experts = placement.count
    var sum: Int64 = 0
    for i in 0..<experts {
      for j in 0..<experts where placement[i] == placement[j] { sum += coactivation[i * experts + j] }
    }
    return sum
  }
}
