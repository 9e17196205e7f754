import Checkpoint
import Placements
import Foundation
import Tensors
import Testing

@testable import Models

/// Collaboration loss and distillation through whole models, against PyTorch in float64 (`Oracles/make_soft.py`).
@Suite struct SoftPruningOracleTests {
  static let variants = ["olmoe-tiny", "olmoe-odd"]

  private struct Case {
    let oracle: Oracle
    let expected: HDF5Reader
    let student: LanguageModel
    let teacher: LanguageModel
    let placement: Placement

    init(_ variant: String) throws {
      oracle = try Oracle(variant)
      expected = try HDF5Reader(oracle.folder + "/soft.h5")
      teacher = try oracle.model()
      var student = teacher
      student.updateParameters { path, parameter in
        if path.name.hasSuffix("mlp.gate.weight") { parameter = parameter * 1.25 }
        if path.name == "model.norm.weight" { parameter = parameter * 0.875 }
      }
      student.train(Set(Role.allCases))
      self.student = student
      let c = teacher.configuration
      placement = try Placement(
        modelType: c.modelType, experts: c.experts, devices: 4,
        layers: c.sparseLayers.map { layer in
          .init(layer: layer, expertDevice: (0..<c.experts).map { ($0 * 3 + layer) % 4 })
        })
    }

    func floats(_ name: String) throws -> [Double] {
      let (info, bytes) = try expected.bytes(name)
      return bytes.withUnsafeBytes { raw in
        info.type == .element(.float32)
          ? raw.bindMemory(to: Float.self).map(Double.init) : Array(raw.bindMemory(to: Double.self))
      }
    }

    /// Value and gradients of router weights and last norm.
    func compare(_ name: String, _ loss: Tensor) throws {
      #expect(relativeError([loss.scalar], try floats("\(name)/value")) <= 1e-5, "\(name)")
      let gradients = loss.gradients()
      try student.forEachParameter { path, parameter in
        guard path.name.hasSuffix("mlp.gate.weight") || path.name == "model.norm.weight" else { return }
        let reference = try floats("\(name)/grad/\(path)")
        let found = gradients[parameter]?.elements ?? [Float](repeating: 0, count: parameter.count)
        #expect(relativeError(found, reference) <= 1e-4, "\(name)/grad/\(path)")
      }
    }
  }

  @Test(arguments: variants) func valuesAndGradients(variant: String) throws {
    let test = try Case(variant)
    let (batch, targets) = try test.oracle.batch()
    let (pass, teacherPass) = (test.student(batch), test.teacher(batch))
    try test.compare("collaboration", pass.collaborationLoss(test.placement))
    try test.compare("collaboration_cold", pass.collaborationLoss(test.placement, temperature: 0.25))
    try test.compare("router", pass.routerDivergence(from: teacherPass))
    try test.compare(
      "predictions",
      test.student.predictionDivergence(pass, from: test.teacher, teacherPass, targets: targets, temperature: 2))
  }

  /// A loss of the router alone: a limit on the experts used changes neither its first layer's value nor its gradient.
  @Test func theFirstLayerDoesNotSeeTheLimit() throws {
    let test = try Case("olmoe-tiny")
    let (batch, _) = try test.oracle.batch()
    func gradient(limit: Int?) throws -> [Float] {
      var model = test.student
      try model.apply(RoutingSettings(placement: test.placement, policy: .router, deviceLimit: limit))
      let pass = model(batch)
      let first = ForwardPass(
        segments: pass.segments, hidden: pass.hidden, routing: [pass.routing[0]], hiddenStates: [])
      let gate = try #require(model.layers[0].moe?.gate.weight)
      return try #require(first.collaborationLoss(test.placement).gradients()[gate]).elements
    }
    #expect(try gradient(limit: 1) == gradient(limit: nil))
  }

  /// A model is at no distance from itself, and its gradients say so.
  @Test func aModelIsItsOwnTeacher() throws {
    let oracle = try Oracle("olmoe-odd")
    let teacher = try oracle.model()
    var student = teacher
    student.train(Set(Role.allCases))
    let (batch, targets) = try oracle.batch()
    let (pass, teacherPass) = (student(batch), teacher(batch))
    for loss in [
      pass.routerDivergence(from: teacherPass),
      student.predictionDivergence(pass, from: teacher, teacherPass, targets: targets, temperature: 1),
    ] {
      #expect(abs(loss.scalar) <= 1e-4)
      let gradients = loss.gradients()
      student.forEachParameter { path, parameter in
        #expect((gradients[parameter]?.elements ?? []).allSatisfy { abs($0) <= 1e-6 }, "\(path)")
      }
    }
  }
}
