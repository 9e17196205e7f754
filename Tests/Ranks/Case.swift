import Routing
import ExpertParallel
import Models

/// One comparison of several ranks with one process.
struct Case {
  var policy = RoutingPolicy.none
  var limit: Int?
  var placement = "contiguous"
  var sequences = [7, 3, 12, 1, 9]
  var options = DispatchOptions(overlaps: true)
  var auxiliary = AuxiliaryLoss.hf
  /// Adapted experts of every layer; nil for no adapters.
  var adapted: [Int]?
  var tolerance = 1e-5

  var name: String {
    "\(policy.rawValue) L=\(limit.map(String.init) ?? "none") \(placement) sequences=\(sequences) "
      + "\(options.mode.rawValue) \(options.wire.rawValue) overlap=\(options.overlaps) nodes=\(options.nodes) "
      + "aux=\(auxiliary.rawValue)" + (adapted.map { " lora=\($0)" } ?? "")
  }

  /// Whether it can be run on so many devices.
  func fits(devices: Int) -> Bool { devices % options.nodes == 0 && limit ?? 1 <= devices }

  /// Sequences of which some ranks have none, and so few tokens that some experts have none.
  static let scarce = [[4], [5, 4], [1, 4, 1], [30, 2, 2, 2, 2, 2, 2, 2, 2]]

  /// Every policy and placement, every way of sending.
  static var all: [Case] {
    var cases: [Case] = []
    for policy in RoutingPolicy.allCases {
      for limit in policy == .none ? [nil] : [1, 2] {
        for placement in ["contiguous", "reversed", "striped"] {
          cases.append(Case(policy: policy, limit: limit, placement: placement))
        }
      }
    }
    for sequences in scarce {
      cases.append(Case(policy: .router, limit: 2, placement: "striped", sequences: sequences))
    }
    for auxiliary in AuxiliaryLoss.allCases { cases.append(Case(auxiliary: auxiliary)) }
    cases.append(Case(options: .init(overlaps: false)))
    cases.append(Case(options: .init(mode: .naive, overlaps: true)))
    cases.append(Case(policy: .router, limit: 1, placement: "striped", options: .init(mode: .naive, overlaps: false)))
    cases.append(Case(options: .init(wire: .bfloat16, overlaps: true), tolerance: 3e-2))
    return cases + nodes + adapters
  }

  /// Every policy once, and what differs with many ranks.
  static var few: [Case] {
    RoutingPolicy.allCases.map { Case(policy: $0, limit: $0 == .none ? nil : 2, placement: "striped") }
      + [scarce[0], scarce[3]].map { Case(policy: .router, limit: 2, placement: "striped", sequences: $0) }
      + [Case(options: .init(mode: .naive, overlaps: true))] + nodes + adapters
  }

  /// By way of nodes.
  private static var nodes: [Case] {
    [2, 4, 8].flatMap { nodes in
      [
        Case(options: .init(overlaps: true, nodes: nodes)),
        Case(policy: .router, limit: 2, placement: "striped", options: .init(overlaps: false, nodes: nodes)),
        Case(
          policy: .similarity, limit: 2, placement: "reversed", sequences: [4],
          options: .init(overlaps: true, nodes: nodes)),
      ]
    } + [Case(options: .init(wire: .bfloat16, overlaps: true, nodes: 2), tolerance: 3e-2)]
  }

  /// Adapters beside experts: on all of them, and on so few that some ranks have none.
  private static var adapters: [Case] {
    [
      Case(policy: .router, limit: 2, placement: "striped", adapted: Array(0..<16)),
      Case(placement: "reversed", options: .init(overlaps: false), adapted: [1, 2, 7]),
      Case(placement: "striped", sequences: [4], options: .init(overlaps: true, nodes: 2), adapted: [3, 12]),
    ]
  }
}
