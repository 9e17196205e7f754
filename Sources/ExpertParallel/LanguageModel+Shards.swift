public import Placements
public import Models
internal import Tensors

extension LanguageModel {
  /// Spreads the experts of every sparse layer over ranks: this one keeps those of its device.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert; as many devices as ranks.
  ///   - communicator: The ranks.
  ///   - options: How rows travel.
  /// - Throws: `PlacementError` when a layer has no placement.
  public mutating func shard(
    _ placement: Placement, over communicator: any Communicator, options: DispatchOptions = DispatchOptions()
  ) throws(PlacementError) {
    for index in configuration.sparseLayers {
      let own = DispatchPlan.experts(of: communicator.rank, try placement.expertDevice(layer: index))
      layers[index].moe?.keep(experts: own)
    }
    try spread(placement, over: communicator, options: options)
  }

  /// Makes the layers of a model that holds the experts of this rank alone send rows to the ranks of theirs.
  ///
  /// - Parameters:
  ///   - placement: Which device holds which expert; as many devices as ranks.
  ///   - communicator: The ranks.
  ///   - options: How rows travel.
  /// - Throws: `PlacementError` when a layer has no placement.
  public mutating func spread(
    _ placement: Placement, over communicator: any Communicator, options: DispatchOptions = DispatchOptions()
  ) throws(PlacementError) {
    for index in configuration.sparseLayers {
      layers[index].moe?.execution = ShardedExperts(
        communicator: communicator, layer: index, expertDevice: try placement.expertDevice(layer: index),
        options: options)
    }
  }
}
