import Foundation

/// What the command line says.
struct Options: Sendable {
  /// The program that faults are made in: beside this one if not said.
  var program =
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    + "/occult"
  /// Where workplaces, log and reproducers lie.
  var folder = ".build/faults"
  /// Cases at a time.
  var jobs = 2
  /// Only scenarios whose name begins so.
  var scenario = ""
  /// One case, and its workplace stays.
  var only: Case?
  /// So many cases, chosen evenly over scenarios, calls and actions; nil for all.
  var sample: Int?
  var seed: UInt64 = 1
  /// Requests for memory of so many bytes and more are made to fail.
  var memory = 65_536
  /// Lists cases and runs none.
  var lists = false
  /// Keeps what an earlier run has found, for the cases that it has done, if the programs are the same.
  var resumes = true

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  init(_ arguments: [String]) throws {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      if name == "--list" {
        lists = true
        continue
      }
      if name == "--anew" {
        resumes = false
        continue
      }
      guard let value = rest.popFirst() else { throw Failure(description: "\(name): expected a value, found nothing") }
      switch (name, Int(value)) {
      case ("--occult", _): program = URL(fileURLWithPath: value).path
      case ("--folder", _): folder = value
      case ("--jobs", let number?) where number > 0: jobs = number
      case ("--scenario", _): scenario = value
      case ("--sample", let number?) where number > 0: sample = number
      case ("--seed", let number?) where number >= 0: seed = UInt64(number)
      case ("--memory", let number?) where number > 0: memory = number
      case ("--case", _):
        guard let found = Case(value) else {
          throw Failure(description: "--case: expected CALL:NUMBER:ACTION as in write:17:kill, found '\(value)'")
        }
        only = found
      default:
        throw Failure(
          description: "\(name) \(value): expected --occult FILE, --folder DIR, --jobs N, --scenario NAME, "
            + "--case CALL:NUMBER:ACTION, --sample N, --seed N, --memory BYTES, --list or --anew")
      }
    }
    folder = URL(fileURLWithPath: folder).path
  }
}
