import ArgumentParser

/// Reads the integer of an option, as its `transform`: every option that counts something has it, so that products and
/// sums of two of them are numbers still. What is too little for an option its command says.
@Sendable func count(_ text: String) throws -> Int {
  let most = 1_000_000_000
  guard let value = Int(text), (-most...most).contains(value) else {
    throw ValidationError("expected an integer of at most \(most), found '\(text)'")
  }
  return value
}

/// Reads the number of an option, as its `transform`.
@Sendable func number(_ text: String) throws -> Double {
  let most = 1e15
  guard let value = Double(text), !(abs(value) > most) else {
    throw ValidationError("expected a number of at most \(most), found '\(text)'")
  }
  return value
}
