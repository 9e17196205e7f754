internal import Files
import ArgumentParser
import Checkpoint
import Evaluation
import Formats
import Training

/// `occult inspect`.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what is in a checkpoint, Hugging Face folder, config.json, run, profile, placement or trace.",
    discussion: """
      Examples:
        occult inspect checkpoints/base.h5
        occult inspect checkpoints/base.h5 --tensors
        occult inspect OLMoE-1B-7B-0924 --verify --checksums SHA256SUMS
        occult inspect OLMoE-1B-7B-0924/config.json
        occult inspect runs/mine
        occult inspect placement.json --json
      """)

  @Argument(help: "The file or folder.", completion: .file())
  var file: String

  @Flag(help: "List every array with shape, type, layout and filters.")
  var tensors = false

  @Flag(help: "Read all of a checkpoint or folder once: checksums, that numbers are finite, tokenizer and limits.")
  var verify = false

  @Option(help: "Compare files with a list of SHA-256 sums, as sha256sum writes it.", completion: .file())
  var checksums: String?

  @OptionGroup var output: OutputOptions

  func run() throws {
    let inspection = try Inspection(file)
    if [.checkpoint, .huggingFace].contains(inspection.kind) { try checkTokenizer() }
    let verified = verify ? try verified(inspection) : nil
    let listed = try checksums.map { try ChecksumList($0).compare(with: file) }
    if output.json { return try OutputOptions.print(inspection) }
    print("\(inspection.path): \(inspection.kind.words), \(ByteSize.words(inspection.diskBytes))\n")
    var facts = inspection.facts.map { [$0.name, $0.value] }
    if let verified {
      facts.append([
        "verified", "\(counted(verified.parameters, "tensor"))" + Self.others(verified.others, inspection.kind),
      ])
      if let unchecked = verified.unchecked, listed == nil { facts.append(["not verified", unchecked]) }
    }
    if let listed { facts.append(["checksums", "\(counted(listed, "file")) as \(checksums ?? "") lists them"]) }
    print(TextTable(heads: ["", ""], rows: facts).text)
    for (title, shares) in [("role", inspection.roles), ("type", inspection.types)] where !shares.isEmpty {
      let rows = shares.map { [$0.name, "\($0.tensors)", "\($0.elements)", ByteSize.words($0.bytes)] }
      print("\n" + TextTable(heads: [title, ">tensors", ">parameters", ">bytes"], rows: rows).text)
    }
    if tensors || inspection.kind == .trace {
      let rows = inspection.items.map {
        [$0.name, "\($0.shape)", $0.type, $0.layout ?? "", $0.filters.joined(separator: ", ")]
      }
      print("\n" + TextTable(heads: ["name", "shape", "type", "layout", "filters"], rows: rows).text)
    }
  }
}

extension Inspect {
  /// Reads everything, telling how far it is; text is tried as commands use it.
  private func verified(_ inspection: Inspection) throws -> ModelFiles.Verified {
    guard [.checkpoint, .huggingFace].contains(inspection.kind) else {
      throw ValidationError("--verify: expected a checkpoint or a folder, found \(inspection.kind.words)")
    }
    let files = try ModelFiles(opening: file)
    let progress = ByteProgress("verify")
    let verified = try files.verify(progress: progress.update)
    progress.finish()
    if files.tokenizerJSON != nil || files.tokenizerModel != nil { _ = try TrainingData.tokenizer(of: files) }
    return verified
  }

  /// Builds the tokenizer and says what is to be known of it, also that it cannot be used.
  private func checkTokenizer() throws {
    // A checkpoint whose base is gone can be looked at all the same.
    guard let files = try? ModelFiles(opening: file) else { return }
    TokenizerCheck(files).tell()
    if verify { try TokenizerCheck(files).require() }
  }

  private static func others(_ count: Int, _ kind: Inspection.Kind) -> String {
    count == 0
      ? "" : kind == .checkpoint ? ", \(count) other datasets" : ", all \(counted(count, "file")) of the export"
  }
}

extension Inspection.Kind {
  /// What it is, in words.
  fileprivate var words: String {
    switch self {
    case .checkpoint: "an Occult checkpoint"
    case .huggingFace: "a Hugging Face folder"
    case .configuration: "the configuration of a model"
    case .run: "the folder of a run"
    case .map: "a placement for a serving engine"
    case .profile: "a collaboration profile"
    case .placement: "a placement"
    case .trace: "a trace"
    case .hdf5: "an HDF5 file of another kind"
    }
  }
}
