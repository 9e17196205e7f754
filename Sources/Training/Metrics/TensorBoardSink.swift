internal import Files
internal import Checkpoint
internal import Foundation
internal import SwiftProtobuf

/// A TensorBoard event file: scalars by tag and step, and the recipe as text.
///
/// Each record is
///
///     length u64 | masked CRC-32C of length u32 | payload | masked CRC-32C of payload u32
///
/// little-endian, the payload an `Event`. The first one says `brain.Event:2`. A resumed run opens a new file, whose
/// second event says that the session starts after the checkpoint's step: readers then forget later steps of earlier
/// files.
///
/// - Source: tensorflow/core/lib/io/record_writer.cc, tensorboard/backend/event_processing/event_accumulator.py.
public final class TensorBoardSink: MetricSink {
  private let file: AppendFile
  private let clock: () -> Double

  /// The path of the event file.
  public var path: String { file.path }

  /// - Parameters:
  ///   - folder: The run folder, which must exist.
  ///   - resumedStep: The step of the checkpoint that a run goes on from; `nil` for a new run.
  ///   - host: The host's name, part of the file's; `nil` asks the system.
  ///   - clock: Seconds since 1970.
  /// - Throws: `MetricError` if the file cannot be written.
  public init(
    folder: String, resumedStep: Int? = nil, host: String? = nil, clock: @escaping () -> Double = Clock.wall
  ) throws(MetricError) {
    self.clock = clock
    let seconds = Int(clock())
    let stem = "\(folder)/events.out.tfevents.\(seconds).\(host ?? Self.hostName)"
    // Two starts within a second get different names; readers take files in the order of names.
    let path = (0..<1000).lazy.map { $0 == 0 ? stem : "\(stem).\($0)" }
      .first { !FileManager.default.fileExists(atPath: $0) }
    file = try AppendFile(path: path ?? stem, mode: .new)
    var version = TensorBoardEvent()
    version.fileVersion = "brain.Event:2"
    try write(version)
    if let resumedStep {
      var start = TensorBoardEvent()
      start.step = Int64(resumedStep + 1)
      start.sessionLog = .with { $0.status = .start }
      try write(start)
    }
  }

  /// The recipe on the Text page, as a code block.
  public func logConfig(_ yaml: String) throws(MetricError) {
    var value = TensorBoardSummary.Value()
    value.tag = "recipe"
    let block = yaml.split(separator: "\n", omittingEmptySubsequences: false).map { "    " + $0 }
    let dataTypeString: Int32 = 7
    value.tensor = .with {
      $0.dtype = dataTypeString
      $0.stringVal = [Data(block.joined(separator: "\n").utf8)]
    }
    value.metadata = .with { $0.pluginData = .with { $0.pluginName = "text" } }
    try write(step: 0, [value])
  }

  /// One event with a scalar for each finite value.
  public func log(step: Int, values: [Metric: Double], tasks: [String: Double]) throws(MetricError) {
    let named =
      Metric.allCases.map { ($0.tag, values[$0]) }
      + tasks.sorted { $0.key < $1.key }.map { ("tasks/" + $0.key, $0.value) }
    let scalars = named.compactMap { tag, value -> TensorBoardSummary.Value? in
      guard let value, value.isFinite else { return nil }
      return .with {
        $0.tag = tag
        $0.simpleValue = Float(value)
      }
    }
    if !scalars.isEmpty { try write(step: step, scalars) }
  }

  /// Closes the file.
  public func close() throws(MetricError) {
    try file.close()
  }

  private func write(step: Int, _ values: [TensorBoardSummary.Value]) throws(MetricError) {
    var event = TensorBoardEvent()
    event.step = Int64(step)
    event.summary = .with { $0.value = values }
    try write(event)
  }

  private func write(_ event: TensorBoardEvent) throws(MetricError) {
    var event = event
    event.wallTime = clock()
    guard let payload: [UInt8] = try? event.serializedBytes() else {
      preconditionFailure("TensorBoardSink: an event of plain fields did not serialise: \(event)")
    }
    try file.append(Self.record(payload))
  }

  private static var hostName: String {
    // gethostname, not ProcessInfo, which may wait for a name server.
    var name = [CChar](repeating: 0, count: 256)
    let status = gethostname(&name, name.count - 1)
    let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return status == 0 && !text.isEmpty ? text : "localhost"
  }

  /// Frames a payload.
  static func record(_ payload: [UInt8]) -> [UInt8] {
    let length = bytes(UInt64(payload.count))
    return length + bytes(maskedChecksum(length)) + payload + bytes(maskedChecksum(payload))
  }

  /// Rotated and shifted, as record files store it, so that a checksum of data holding checksums stays meaningful.
  private static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
    let crc = CRC32C.checksum(bytes)
    return ((crc >> 15) | (crc << 17)) &+ 0xA282_EAD8
  }

  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}
