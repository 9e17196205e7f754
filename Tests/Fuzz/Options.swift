/// What the command line says.
struct Options {
  enum Mode {
    /// Watches children until the time is over.
    case supervise
    /// The loop itself, in a child.
    case work
    /// One input again.
    case reproduce(String)
  }

  var mode = Mode.supervise
  var seconds = 60.0
  var seed: UInt64 = 1
  /// Where inputs lie while they are read, and reproducers stay.
  var folder = ".build/fuzz"

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  init(_ arguments: [String]) throws {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      if name == "--work" {
        mode = .work
        continue
      }
      guard let value = rest.popFirst() else { throw Failure(description: "\(name): expected a value, found nothing") }
      switch (name, Double(value), UInt64(value)) {
      case ("--seconds", let number?, _) where number > 0: seconds = number
      case ("--seed", _, let number?): seed = number
      case ("--folder", _, _): folder = value
      case ("--reproduce", _, _): mode = .reproduce(value)
      default:
        throw Failure(
          description: "\(name) \(value): expected --seconds N, --seed N, --folder DIR or --reproduce FILE")
      }
    }
  }
}
