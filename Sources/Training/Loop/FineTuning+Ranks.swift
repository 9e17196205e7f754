internal import Files
internal import Checkpoint
internal import Placements
internal import Routing
internal import ExpertParallel
internal import Models
internal import Tensors

// A run on several ranks: everything but the experts is on all of them, the experts are on their own. A checkpoint is
// one file that rank 0 writes, tensor by tensor, as one process would have written it: it resumes on any number of
// ranks, converts, and needs no room for more than one stacked tensor.
extension FineTuning {
  /// The experts of this rank and their adapters; nil in one process, which has all.
  var shard: ExpertShard? {
    ranks.size > 1
      ? ExpertShard(routing.placement, device: ranks.rank, base.configuration, adapters: adapters) : nil
  }

  /// Makes the layers of a model that was loaded as a shard send rows to the ranks of their experts.
  func spread(_ model: inout LanguageModel) throws(PlacementError) {
    if ranks.size > 1 { try model.spread(routing.placement, over: ranks, options: recipe.parallel.options) }
  }

  /// The whole of a stacked parameter, on rank 0.
  var assemble: @Sendable (String, Tensor) -> Tensor {
    guard let shard else { return { $1 } }
    return { [ranks] name, tensor in
      let places = (0..<ranks.size).compactMap { shard.entries(of: name, on: $0) }
      return places.isEmpty ? tensor : ranks.gather(tensor, places: places)
    }
  }

  /// Writes a checkpoint through rank 0; the others hand over what they hold, in the same order.
  func write(
    _ model: LanguageModel, types: [String: ElementType] = [:], dtype: ElementType? = nil, _ extras: CheckpointExtras,
    to path: String
  ) throws {
    let weights = ModelBytes(model, types: types, shard: shard, assemble: assemble)
    if ranks.rank == 0 {
      try CheckpointWriter.write(path, weights: weights, dtype: dtype, extras: extras, program: program)
    } else {
      var tensors: [String: Tensor] = [:]
      model.forEachParameter { path, tensor in tensors[path.name] = tensor }
      for parameter in try CheckpointWriter.parameters(of: weights, extras) {
        if let tensor = tensors[parameter.path.name] { _ = assemble(parameter.path.name, tensor) }
      }
      for (name, moment) in extras.training?.order ?? [] { _ = assemble(name, moment) }
    }
    ranks.barrier()
  }

  /// Trained parameters by role, of all ranks together.
  func trainedCounts(_ model: LanguageModel) -> [Role: Int] {
    var counts = model.trainedCounts
    if ranks.size > 1, let experts = counts[.experts] { counts[.experts] = ranks.sum([experts])[0] }
    return counts
  }
  /// Bytes that left all ranks, inside nodes and between them, by purpose; nil in one process.
  func sentBytes(_ traffic: WireTraffic) -> [String: [String: Int]]? {
    if ranks.size == 1 { return nil }
    let layout = NodeLayout(devices: ranks.size, nodes: recipe.parallel.nodes)
    let node = layout.members(of: layout.node(of: ranks.rank))
    var sent: [String: [String: Int]] = [:]
    for purpose in WireTraffic.Purpose.allCases {
      let (all, inside) = (traffic.total { $0.purpose == purpose }, traffic.total(to: node) { $0.purpose == purpose })
      let sums = ranks.sum([inside, all - inside])
      sent[RunSummary.insideNodes, default: [:]][purpose.rawValue] = sums[0]
      if layout.nodes > 1 { sent[RunSummary.betweenNodes, default: [:]][purpose.rawValue] = sums[1] }
    }
    return sent
  }
}
