internal import Files
public import ArgumentParser
public import Checkpoint
import Formats
import Training

/// `occult convert`.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy a model between a Hugging Face folder and an HDF5 checkpoint.",
    discussion: """
      Formats are told from the paths: a name that ends in .h5 is a checkpoint, anything else a folder. Weights keep \
      their bits unless --dtype asks for another type. Adapters are merged into the weights that they belong to, unless \
      --adapter writes them alone.

      Examples:
        occult convert OLMoE-1B-7B-0924 olmoe.h5 --verify
        occult convert runs/quickstart/final.h5 my-model --dtype bfloat16 --with-code
        occult convert runs/lora/final.h5 my-adapter --adapter
        occult convert my-adapter my-adapter.h5 --base olmoe.h5
      """)

  @Argument(help: "A Hugging Face folder or a checkpoint (.h5).", completion: .file())
  var source: String

  @Argument(help: "The folder or checkpoint (.h5) to write.", completion: .file())
  var destination: String

  @Option(help: "Store all parameters as float32, bfloat16 or float16 (default: as they are).")
  var dtype: StoredType?

  @Option(
    name: .customLong("hdf5-layout"), help: "chunked (checksummed, can be compressed) or mapped (default: chunked).")
  var hdf5Layout: HDF5LayoutName?

  @Option(help: "Compress a chunked checkpoint by gzip at this level, 1 to 9.", transform: count)
  var compress: Int?

  @Option(help: "Experts in a folder: per_expert, as on the hub, or fused, as in transformers 5 (default: per_expert).")
  var layout: HuggingFaceLayout?

  @Option(help: "Largest safetensors file in a folder (default: 5GB).")
  var maxShardSize: String?

  @Option(help: "The model that the adapters in a PEFT folder belong to; a checkpoint (.h5) over it is written.")
  var base: String?

  @Flag(help: "Write the adapters of a checkpoint alone, as a folder that PEFT loads over the base model.")
  var adapter = false

  @Flag(help: "Read both again and compare every parameter.")
  var verify = false

  @Flag(help: "Write the code into a folder by which transformers applies placement and device limit.")
  var withCode = false

  @Flag(help: "Let a folder have the Python files that the source brings along; transformers may run them.")
  var withForeignCode = false

  @Flag(help: "Put experts and router rows in the order of their devices: contiguous groups are devices then.")
  var bakePlacement = false

  @Flag(help: "Export a model with a device limit to a folder without the limit.")
  var allowUnlimited = false

  @Flag(help: "Replace a destination that exists: a checkpoint, or a folder that holds an earlier export alone.")
  var overwrite = false

  func validate() throws {
    if let compress, !(1...9).contains(compress) {
      throw ValidationError("--compress: expected a level in 1...9, found \(compress)")
    }
    if compress != nil, hdf5Layout == .mapped {
      throw ValidationError("--compress: expected --hdf5-layout chunked, found mapped, which is never compressed")
    }
    if let maxShardSize, ByteSize.bytes(maxShardSize) == nil {
      throw ValidationError("--max-shard-size: expected a size such as 5GB or 500MB, found '\(maxShardSize)'")
    }
    let isAboutWeights =
      dtype != nil || layout != nil || maxShardSize != nil || hdf5Layout != nil || verify || withCode || bakePlacement
    if adapter, base != nil || isAboutWeights || ModelFiles.isHDF5(destination) {
      throw ValidationError("--adapter: expected a folder to write and no option about weights, found otherwise")
    }
    if base == nil, AdapterImport.isAdapter(source) {
      throw ValidationError("--base: expected the model that the adapters in '\(source)' belong to, found no --base")
    }
    if base != nil, isAboutWeights || !ModelFiles.isHDF5(destination) || !AdapterImport.isAdapter(source) {
      throw ValidationError(
        "--base: expected a folder with adapter_config.json, a checkpoint (.h5) to write and no option about weights, "
          + "found '\(source)' and '\(destination)'")
    }
    if ModelFiles.isHDF5(destination), layout != nil || maxShardSize != nil {
      throw ValidationError("--layout, --max-shard-size: expected a folder to write, found '\(destination)'")
    }
    if ModelFiles.isHDF5(destination) || adapter, withForeignCode {
      throw ValidationError("--with-foreign-code: expected a model folder to write, found '\(destination)'")
    }
    if ModelFiles.isHDF5(destination), withCode {
      throw ValidationError("--with-code: expected a folder to write, found '\(destination)'")
    }
    if withCode, allowUnlimited {
      throw ValidationError("--with-code: expected the limit to be kept, found --allow-unlimited; try one of the two")
    }
    if !ModelFiles.isHDF5(destination), hdf5Layout != nil || compress != nil {
      throw ValidationError("--hdf5-layout, --compress: expected a checkpoint (.h5) to write, found '\(destination)'")
    }
  }

  func run() throws {
    let started = Clock.monotonic()
    let outcome = try outcome()
    if !outcome.leftOut.isEmpty {
      note(
        "\(destination): left out \(outcome.leftOut.joined(separator: ", ")), code that transformers would run, and what "
          + "the configuration says of it; --with-foreign-code keeps it")
    }
    let verified = outcome.verified.map { ", \($0) verified" } ?? ""
    print(
      "\(destination): \(counted(outcome.tensors, "tensor")), \(ByteSize.words(outcome.bytes))\(verified), "
        + "\(fixed(Clock.monotonic() - started, 1)) s")
  }

  private func outcome() throws -> Conversion.Outcome {
    if let base {
      return try AdapterImport(source: source, base: base, destination: destination, overwrites: overwrite).run(
        program: Program.name)
    }
    if adapter {
      return try AdapterExport(
        source: source, destination: destination, allowsUnlimited: allowUnlimited, overwrites: overwrite
      ).run(program: Program.name)
    }
    let conversion = Conversion(
      source: source, destination: destination, dtype: dtype?.elementType,
      weightLayout: hdf5Layout == .mapped ? .mapped : .chunked(deflate: compress), expertLayout: layout ?? .perExpert,
      maximumShardBytes: maxShardSize.flatMap(ByteSize.bytes) ?? 5_000_000_000, verifies: verify,
      allowsUnlimited: allowUnlimited, writesCode: withCode, carriesCode: withForeignCode,
      bakesPlacement: bakePlacement, overwrites: overwrite)
    // Before the weights are copied: what follows may take an hour.
    let files = try ModelFiles(opening: source)
    let check = TokenizerCheck(files)
    if verify { try check.require() }
    check.tell()
    let left = ModelTokenizer.additionalTemplates(source)
    if !left.isEmpty {
      note("\(source): left out \(left.joined(separator: ", ")), chat templates that are not carried along")
    }
    let progress = ByteProgress("convert")
    defer { progress.finish() }
    return try conversion.run(program: Program.name, progress: progress.update)
  }
}

/// Types that weights can be stored as.
enum StoredType: String, ExpressibleByArgument, CaseIterable {
  case float32, bfloat16, float16

  var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float16: .float16
    }
  }
}

/// How weights lie in a checkpoint.
enum HDF5LayoutName: String, ExpressibleByArgument, CaseIterable {
  case chunked, mapped
}

extension HuggingFaceLayout: ExpressibleByArgument {}
