import Evaluation
import Foundation

/// The table that `occult evaluate` prints.
struct EvaluationTable {
  let result: EvaluationResult

  init(_ result: EvaluationResult) { self.result = result }

  var text: String {
    var table = TextTable(heads: ["Data", "Metric", ">Value", "", ">Stderr"])
    for (name, held) in [("target", result.target), ("retention", result.retention)] {
      guard let held else { continue }
      table.rows.append([name, "loss", fixed(held.loss, 4), "±", fixed(held.standardError, 4)])
      table.rows.append(["", "token_perplexity", fixed(held.tokenPerplexity, 2), "", ""])
      table.rows.append(["", "tokens", "\(held.tokens)", "", ""])
    }
    if let figures = result.communication {
      table.rows.append([
        result.target == nil ? "tasks" : "target", "devices_per_token", fixed(figures.devicesPerToken), "", "",
      ])
      for (name, value): (String, Double?) in [
        ("imbalance_rows", figures.imbalanceRows), ("remote_copies", figures.remoteCopies),
        ("naive_remote_copies", figures.naiveRemoteCopies), ("intra_share", figures.intraShare),
        ("retained_mass", figures.retainedMass), ("copies_between_nodes", figures.copiesBetweenNodes),
        ("copies_inside_nodes", figures.copiesInsideNodes),
      ] {
        if let value { table.rows.append(["", name, fixed(value), "", ""]) }
      }
    }
    for text in result.texts {
      let error = text.standardError.map { fixed($0, 4) } ?? "N/A"
      table.rows.append([text.file, "loss", fixed(text.loss, 4), "±", error])
      for (name, value) in [
        ("token_perplexity", text.tokenPerplexity), ("word_perplexity", text.wordPerplexity),
        ("byte_perplexity", text.bytePerplexity), ("bits_per_byte", text.bitsPerByte),
      ] {
        table.rows.append(["", name, fixed(value, 4), "", ""])
      }
    }
    return table.rows.isEmpty ? "" : table.text
  }
}
