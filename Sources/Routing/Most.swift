/// The largest sizes that files may name: several times what any model has, and so little that sums and products of
/// them are numbers still, and tables of them fit into memory.
package enum Most {
  /// Layers of a model: absolute numbers of layers are below.
  package static let layers = 4096
  /// Experts of a layer.
  package static let experts = 65_536
  /// Experts of a layer in a profile, which has tables of their pairs.
  package static let profiledExperts = 2048
  /// Tokens of a profile, about 10¹².
  package static let tokens = 1 << 40
}
