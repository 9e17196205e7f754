/// First-fit packing: each item goes into the first bin with room for it, else into a new one.
///
/// - Source: Johnson et al. 1974; at most 1.7 times the fewest bins possible.
enum FirstFit {
  /// - Returns: the items of each bin, bins in the order of their first item; an item above the capacity is alone.
  ///
  /// A tree of the largest room in each half finds the first bin in O(log n).
  static func pack(_ sizes: [Int], capacity: Int) -> [[Int]] {
    if sizes.isEmpty { return [] }
    var leaves = 1
    while leaves < sizes.count { leaves *= 2 }
    var room = [Int](repeating: capacity, count: 2 * leaves)  // node 1 is the root, bins begin at `leaves`
    var bins: [[Int]] = []
    for (item, size) in sizes.enumerated() {
      var node = 1
      if room[1] >= size, size <= capacity {
        while node < leaves { node = room[2 * node] >= size ? 2 * node : 2 * node + 1 }
      } else {
        node = leaves + bins.count
      }
      let bin = node - leaves
      if bin < bins.count { bins[bin].append(item) } else { bins.append([item]) }
      room[node] = max(0, room[node] - size)
      while node > 1 {
        node /= 2
        room[node] = max(room[2 * node], room[2 * node + 1])
      }
    }
    return bins
  }
}
