/// What is wrong after a fault.
struct Finding: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    /// Exit 0, and the results are not those of an undisturbed run.
    case silent
    /// A file that its reader accepts, though it is neither the old nor the new one; or one without a reader.
    case torn
    /// Old and new results side by side, accepted.
    case mixed
    /// The same command again fails, or ends in other bits.
    case again
    /// An input has changed.
    case input
    /// A signal that nobody sent, or no end.
    case trap, hang
    /// A failure without the file or the reason.
    case message
    /// A file that gets its final name before it is on disk, or whose name is not: a power cut may lose it.
    case unsynced
    /// Files that an undisturbed run does not leave, after the same command has ended well.
    case leftover
  }

  let kind: Kind
  let detail: String

  init(_ kind: Kind, _ detail: String) { (self.kind, self.detail) = (kind, detail) }
}

/// What came of a case.
struct Outcome: Sendable {
  var findings: [Finding] = []
  /// How the command ended, as it counts in the table.
  var ending = Ending.absorbed

  enum Ending: String, CaseIterable, Sendable {
    /// Exit 0 with the right results.
    case absorbed
    /// An error, as it should be.
    case refused
    /// Our own kill.
    case killed
    /// No memory before the program's first own line: the language ends the process by a trap, and nothing has begun.
    case shortOfMemory = "no memory"
    /// The call was not reached in this run.
    case missed
  }
}
