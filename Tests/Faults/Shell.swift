import Foundation

/// How a program ended, and what it said.
struct Ending: Sendable {
  /// Exit status; nil after a signal.
  var code: Int32?
  /// The signal that ended it.
  var signal: Int32?
  /// Whether it was ended here because it took too long.
  var isLate = false
  var output = ""
  var error = ""

  /// In words.
  var words: String {
    if isLate { return "did not end" }
    return code.map { "exit \($0)" } ?? "signal \(signal ?? 0) (\(String(cString: strsignal(signal ?? 0))))"
  }
}

/// Starts programs in a folder and waits for them.
struct Shell: Sendable {
  /// Where output goes to: files, since a full pipe would stop the program.
  let scratch: String
  /// A program that takes longer hangs: what runs here takes a second, on a busy machine some.
  static let patience = 300.0

  func run(
    _ program: String, _ arguments: [String], in folder: String, environment: [String: String] = [:]
  ) throws -> Ending {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let (output, error) = (scratch + "/output", scratch + "/error")
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_addopen(&actions, 2, error, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    let whole = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    var words = (["env", "-C", folder, program] + arguments).map { strdup($0) } + [nil]
    var settings = whole.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for word in words + settings { free(word) } }
    var child = pid_t()
    let status = posix_spawn(&child, "/usr/bin/env", &actions, nil, &words, &settings)
    guard status == 0 else {
      throw Options.Failure(
        description: "\(program): expected to start it, found '\(String(cString: strerror(status)))'")
    }
    var ending = wait(child)
    ending.output = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
    ending.error = (try? String(contentsOfFile: error, encoding: .utf8)) ?? ""
    return ending
  }

  private func wait(_ child: pid_t) -> Ending {
    let began = Date()
    var (ending, status) = (Ending(), Int32())
    while waitpid(child, &status, WNOHANG) != child {
      usleep(2000)
      if Date().timeIntervalSince(began) > Self.patience, !ending.isLate {
        ending.isLate = true
        kill(child, SIGKILL)
      }
    }
    if status & 0x7f == 0 { ending.code = (status >> 8) & 0xff } else { ending.signal = status & 0x7f }
    return ending
  }
}
